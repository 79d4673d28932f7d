import { Menu } from '@mantine/core'
import { IconDownload, IconLink, IconPlayerPauseFilled, IconPlayerPlayFilled } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { count, fill, useTexts } from '../../i18n'
import type { Feed, FeedView } from '../../live/feed'
import { withRange } from '../../live/query'
import { useExport } from './useExport'
import { useSession } from '../../app/session'

interface Props {
  feed: Feed
  view: FeedView
  ev: string | undefined
  range: { from?: number; to?: number }
  fixed: boolean
  onToggle: () => void
  onLive: () => void
}

export function Head({ feed, view, ev, range, fixed, onToggle, onLive }: Props) {
  const t = useTexts()
  const { me } = useSession()
  const n = count(view.count + view.arrived, t.locale)
  return (
    <div className="head">
      <h1>{t.events.title}</h1>
      {view.status === 'ready' && <span className="second">{fill(view.countCapped ? t.events.inViewCapped : t.events.inView, { n })}</span>}
      {fixed && <span className="second">· {t.events.range}</span>}
      <div className="head-actions">
        <CopyLink view={view} ev={ev} range={range} />
        {me.permissions.includes('export') && <Export query={feed.query} />}
        {fixed
          ? <button className="button" onClick={onLive}><IconPlayerPlayFilled size={16} aria-hidden="true" />{t.events.toLive}</button>
          : (
            <button className={view.paused ? 'button chosen' : 'button'} onClick={onToggle}>
              {view.paused ? <IconPlayerPlayFilled size={16} aria-hidden="true" /> : <IconPlayerPauseFilled size={16} aria-hidden="true" />}
              {view.paused ? t.events.resume : t.events.pause} <kbd aria-hidden="true">{t.events.space}</kbd>
            </button>
          )}
      </div>
    </div>
  )
}

/** A link that shows the same tomorrow: absolute times, bounded at what is shown. */
export function linkTo(view: FeedView, ev: string | undefined, range: { from?: number; to?: number }, now: number): string {
  const from = range.from ?? now - 3_600_000
  const newest = view.rows[0]?.at
  const to = range.to ?? (newest !== undefined ? newest + 1 : now)
  const params = new URLSearchParams({ q: withRange(view.canonical, Math.min(from, view.rows.at(-1)?.at ?? from), to) })
  if (ev) params.set('ev', ev)
  return `${location.origin}/events?${params}`
}

function CopyLink({ view, ev, range }: Pick<Props, 'view' | 'ev' | 'range'>) {
  const t = useTexts()
  const { link } = useSession()
  const [said, setSaid] = useState('')
  useEffect(() => {
    if (!said) return
    const timer = setTimeout(() => setSaid(''), 4000)
    return () => clearTimeout(timer)
  }, [said])
  const copy = async () => {
    const url = linkTo(view, ev, range, link.now())
    try {
      await navigator.clipboard.writeText(url)
      setSaid(t.events.copied)
    } catch {
      history.replaceState(history.state, '', url)
      setSaid(t.events.copyFailed)
    }
  }
  return (
    <>
      <button className="button" aria-label={t.events.copy} onClick={() => void copy()}><IconLink size={18} stroke={1.7} aria-hidden="true" /><span className="wide-only">{t.events.copy}</span></button>
      <span role="status" className="toast-line">{said && <span className="toast">{said}</span>}</span>
    </>
  )
}

function Export({ query }: { query: string }) {
  const t = useTexts()
  const { state, start, cancel } = useExport(query)
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <button className="button" aria-label={t.events.export} disabled={state.running}><IconDownload size={18} stroke={1.7} aria-hidden="true" /><span className="wide-only">{t.events.export}</span></button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => start('csv')}>{t.export.csv}</Menu.Item>
          <Menu.Item onClick={() => start('jsonl')}>{t.export.jsonl}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <span role="status" className="toast-line">
        {state.text && <span className="toast">{state.text} {state.running && <button className="link" onClick={cancel}>{t.app.cancel}</button>}</span>}
      </span>
    </>
  )
}
