import './events.css'

import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { useLinkView, useSession } from '../../app/session'
import { fill, useTexts } from '../../i18n'
import { parse, rangeOf, withRange, withTerm } from '../../live/query'
import type { Entry } from '../../live/ring'
import { useShortcut } from '../../ui/keys'
import { Detail } from './Detail'
import { EventList, type ListHandle } from './EventList'
import { FilterBar } from './FilterBar'
import { Head } from './Head'
import { Histogram } from './Histogram'
import { useFeed } from './useFeed'
import { explain, useWords } from './words'

export default function EventsPage() {
  const t = useTexts()
  const { me } = useSession()
  if (!me.permissions.includes('events.read')) {
    return <div className="empty"><strong>{t.events.forbidden}</strong><p className="second">{t.events.forbiddenHint}</p></div>
  }
  return <Events />
}

/** since and until of the filter, as far as it parses. */
function useRange(q: string, now: () => number): { from?: number; to?: number } {
  return useMemo(() => {
    try {
      return rangeOf(parse(q, now()))
    } catch {
      return {}
    }
  }, [q, now])
}

function Events() {
  const t = useTexts()
  const { link } = useSession()
  const { q, ev } = useSearch({ from: '/inside/events' })
  const navigate = useNavigate({ from: '/events' })
  const { feed, view } = useFeed(q)
  const list = useRef<ListHandle>(null)
  const [cursor, setCursor] = useState<string>()
  /** A person opened or closed an event here: the focus follows. */
  const acted = useRef(false)
  const now = useCallback(() => link.now(), [link])
  const range = useRange(q, now)

  const setFilter = useCallback((next: string, replace = false) => {
    void navigate({ search: old => ({ ...old, q: next }), replace })
  }, [navigate])
  const open = useCallback((id: string | undefined) => {
    if (id) feed.pause() // who reads an event wants the list to stand still
    acted.current = true
    void navigate({ search: old => ({ ...old, ev: id }), replace: id !== undefined && ev !== undefined })
  }, [feed, navigate, ev])
  useEffect(() => { if (ev) feed.pause() }, [ev, feed])
  useEffect(() => {
    // What had the focus went with the detail.
    if (!ev && acted.current && document.activeElement === document.body) list.current?.focus()
  }, [ev])
  useEffect(() => { document.title = `${t.events.title} · Linewatch` }, [t])

  const resume = useCallback(() => {
    list.current?.toTop()
    feed.resume()
  }, [feed])
  const toggle = () => view.paused ? resume() : feed.pause()
  const step = (by: number) => {
    const at = view.rows.findIndex(e => e.key === cursor || (!cursor && e.leaf.id === ev))
    const next = view.rows[at < 0 ? 0 : Math.min(view.rows.length - 1, Math.max(0, at + by))]
    if (!next) return
    feed.pause()
    setCursor(next.key)
    list.current?.reveal(next.key)
    if (ev) open(next.leaf.id)
  }
  useShortcut('j', () => step(1))
  useShortcut('k', () => step(-1))
  useShortcut(' ', toggle)
  useShortcut('Enter', () => open(view.rows.find(e => e.key === cursor)?.leaf.id))
  useShortcut('Escape', () => open(undefined), ev !== undefined)

  const onTerm = useCallback((term: string) => setFilter(withTerm(q, term)), [q, setFilter])
  const onRow = useCallback((e: Entry) => {
    setCursor(e.key)
    open(e.leaf.id || undefined) // a leaf that can't be read may have none
  }, [open])
  const chosen = ev ? view.rows.find(e => e.leaf.id === ev) : undefined
  const fixed = range.to !== undefined && range.to < link.now()
  return (
    <div className={ev ? 'events with-detail' : 'events'}>
      <div className="events-top">
      <Head feed={feed} view={view} ev={ev} range={range} fixed={fixed} onToggle={toggle}
        onLive={() => { setFilter(withRange(q, undefined, undefined)); open(undefined) }} />
      <FilterBar q={q} onChange={setFilter} serverError={view.status === 'failed' ? view.error : undefined} />
      <StaleNote />
      </div>
      <section className="panel list-panel" aria-label={t.events.list}>
        <Histogram q={q} range={range} paused={view.paused} fixed={fixed} onRange={(from, to) => setFilter(withRange(q, from, to))} onSpan={setFilter} />
        <EventList ref={list} feed={feed} view={view} cursor={chosen?.key ?? cursor} onOpen={onRow} onStep={step}
          onTerm={onTerm} onClear={() => setFilter('')} filtered={q.trim() !== ''} explain={error => explain(error, t)} />
        {view.paused && <PausedBar waiting={view.waiting} overflowed={view.overflowed || view.gap} onResume={resume} />}
      </section>
      {ev && <Detail key={ev} id={ev} known={chosen} acted={acted.current} onOpen={open} onClose={() => open(undefined)} onTerm={onTerm} />}
    </div>
  )
}

/** Says how old the list is while nothing can arrive. */
function StaleNote() {
  const { state, lastSeen } = useLinkView()
  const words = useWords()
  if (state !== 'lost') return null
  return <p className="note" role="alert">{fill(words.t.events.asOf, { time: words.minute(lastSeen) })}</p>
}

function PausedBar({ waiting, overflowed, onResume }: { waiting: number; overflowed: boolean; onResume: () => void }) {
  const t = useTexts()
  const n = new Intl.NumberFormat(t.locale).format(waiting)
  const text = waiting === 0 && !overflowed ? t.events.none : fill(overflowed ? t.events.newerMany : t.events.newer, { n })
  return (
    <div className="paused-bar">
      <span><strong>{t.events.paused}</strong> {text}</span>
      <button className="button" onClick={onResume}>
        <svg width="12" height="14" viewBox="0 0 12 14" aria-hidden="true"><path d="M1 1v12l10-6z" fill="currentColor" /></svg>{t.events.resume}
      </button>
    </div>
  )
}
