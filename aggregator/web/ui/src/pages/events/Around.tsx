import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { api } from '../../api/client'
import type { StoredEvent } from '../../api/types'
import { fill } from '../../i18n'
import { entry } from '../../live/ring'
import { Mark } from '../../ui/Mark'
import { explain, shortStation, useWords } from './words'

/** What happened on the same station before and after, newest first. */
export function Around({ e, onOpen }: { e: StoredEvent; onOpen: (id: string) => void }) {
  const words = useWords()
  const { t } = words
  const result = useQuery({ queryKey: ['around', e.leaf.id], queryFn: ({ signal }) => api.around(e.leaf.id, signal), staleTime: 30_000 })
  const own = entry(e)
  const rows = (result.data?.events ?? []).map(entry).reverse()
  const box = useRef<HTMLUListElement>(null)
  useEffect(() => {
    // The event itself stands in the middle of what is seen.
    const chosen = box.current?.querySelector<HTMLElement>('[aria-current]')
    if (chosen && box.current) box.current.scrollTop = chosen.offsetTop - box.current.clientHeight / 2
  }, [result.data])
  return (
    <section className="detail-part around">
      <h3>{fill(t.around.title, { station: shortStation(e.leaf.station) })}</h3>
      {result.isError && <p className="small">{fill(t.around.failed, { detail: explain(result.error, t) })} <button className="link" onClick={() => void result.refetch()}>{t.app.retry}</button></p>}
      {result.isSuccess && rows.length <= 1 && <p className="second small">{t.around.alone}</p>}
      {rows.length > 1 && (
        <ul ref={box} tabIndex={0} aria-label={fill(t.around.title, { station: e.leaf.station })}>
          {rows.map(r => (
            <li key={r.key}>
              <button aria-current={r.key === own.key || undefined} onClick={() => onOpen(r.leaf.id)}>
                <span className="second">{words.rowTime(r.at, own.at)}</span>
                <span className="around-mark"><Mark severity={r.leaf.severity} label={t.severity[r.leaf.severity] ?? ''} size={16} /></span>
                <span className="around-text">{words.title(r.leaf)}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
