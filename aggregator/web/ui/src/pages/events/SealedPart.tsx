import { IconLock, IconLockOff, IconLockOpen, IconKeyOff } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../api/client'
import type { SealedField, StoredEvent } from '../../api/types'
import { useSession } from '../../app/session'
import { fill } from '../../i18n'
import { plain } from '../../i18n/sentence'
import { explain, useWords } from './words'

const icons = { opened: IconLockOpen, sealed: IconLock, erased: IconLockOff, lost: IconKeyOff }

/** Sealed fields of an event: what stands in them for whoever may read it and asks
 *  to, else in what state they are. That somebody opened them is recorded. */
export function SealedPart({ e }: { e: StoredEvent }) {
  const { t } = useWords()
  const { me } = useSession()
  const cache = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [failed, setFailed] = useState<unknown>()
  const paths = Object.keys(e.leaf.sealed ?? {})
  if (paths.length === 0) return null
  const states = e.stored.sealed ?? {}
  const may = (set: string | undefined) => !!me.opens?.some(s => s === '*' || s === set)
  const open = async () => {
    setBusy(true)
    try {
      cache.setQueryData(['event', e.leaf.id], await api.opened(e.leaf.id))
      setFailed(undefined)
    } catch (error) {
      setFailed(error)
    }
    setBusy(false)
  }
  return (
    <section className="detail-part sealed">
      <h3>{t.sealed.title}</h3>
      <dl className="facts">
        {paths.map(path => <One key={path} path={path} field={states[path]} value={e.stored.opened?.[path]} />)}
      </dl>
      {paths.some(p => states[p]?.state === 'sealed' && may(states[p].set)) && (
        <p className="sealed-open"><button className="button" disabled={busy} onClick={() => void open()}><IconLockOpen size={16} aria-hidden="true" />{t.sealed.open}</button><span className="second">{t.sealed.recorded}</span></p>
      )}
      {failed !== undefined && <p role="alert">{fill(t.sealed.failed, { detail: explain(failed, t) })}</p>}
    </section>
  )
}

function One({ path, field, value }: { path: string; field: SealedField | undefined; value: Parameters<typeof plain>[0] | undefined }) {
  const words = useWords()
  const { t } = words
  const state = field?.state ?? 'sealed'
  const Icon = icons[state]
  const name = path === 'user_id' ? t.sealed.name : path.replace(/^event_data\./, '')
  const says = state === 'erased' && field?.erased_at ? fill(t.sealed.erasedOn, { time: words.fullTime(Date.parse(field.erased_at)) }) : t.sealed[state]
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>
        <Icon size={15} stroke={1.7} aria-hidden="true" />
        {state === 'opened' && value !== undefined ? <span>{plain(value, t)}</span> : <span className="second">{says}</span>}
      </dd>
    </div>
  )
}
