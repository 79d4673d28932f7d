import { IconMinus, IconPlus } from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { memo, useCallback, useEffect, useImperativeHandle, useRef, type KeyboardEvent, type Ref } from 'react'
import { useLinkView, useSession } from '../../app/session'
import { useMatch, useSettings } from '../../app/settings'
import { fill, useTexts } from '../../i18n'
import type { Feed, FeedView } from '../../live/feed'
import { termText, type Field } from '../../live/query'
import type { Entry } from '../../live/ring'
import { Mark } from '../../ui/Mark'
import { shortStation, useWords, type Words } from './words'

export interface ListHandle { toTop(): void; reveal(key: string): void; focus(): void }

/** Height of the line with the names of the columns, as in events.css. */
const HEAD = 34

/** Too narrow for columns: two lines a row. */
const slim = matchMedia('(max-width: 640px)')

interface Props {
  ref: Ref<ListHandle>
  feed: Feed
  view: FeedView
  cursor: string | undefined
  filtered: boolean
  onOpen: (e: Entry) => void
  /** Chooses the next row (1) or the one before (-1). */
  onStep: (by: number) => void
  onTerm: (term: string) => void
  onClear: () => void
  explain: (error: unknown) => string
}

export function EventList({ ref, feed, view, cursor, filtered, onOpen, onStep, onTerm, onClear, explain }: Props) {
  const t = useTexts()
  const words = useWords()
  const { link } = useSession()
  const stale = useLinkView().state === 'lost'
  const { density } = useSettings()
  const scroller = useRef<HTMLDivElement>(null)
  const grid = useRef<HTMLDivElement>(null)
  const narrow = useMatch(slim)
  const head = narrow ? 0 : HEAD
  const rowHeight = narrow ? 60 : density === 'touch' ? 48 : 34
  const rows = view.rows
  // Slots are keyed by place, not by event: new rows change text, not elements.
  const virtual = useVirtualizer({
    count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: 8,
    scrollMargin: head, scrollPaddingStart: head,
  })
  useEffect(() => virtual.measure(), [rowHeight, virtual])
  const handle = useCallback((): ListHandle => ({
    toTop: () => scroller.current?.scrollTo({ top: 0 }),
    reveal: key => {
      const i = feed.snapshot().rows.findIndex(e => e.key === key)
      if (i >= 0) virtual.scrollToIndex(i, { align: 'auto' })
    },
    focus: () => grid.current?.focus({ preventScroll: true }),
  }), [feed, virtual])
  useImperativeHandle(ref, handle, [handle])

  const items = virtual.getVirtualItems()
  const last = items[items.length - 1]?.index ?? 0
  useEffect(() => {
    if (rows.length > 0 && last >= rows.length - 30 && view.older === 'idle') void feed.older()
  }, [last, rows.length, view.older, feed])
  const onScroll = () => { if ((scroller.current?.scrollTop ?? 0) > 0) feed.pause() }
  const chosen = items.find(item => rows[item.index]?.key === cursor)
  // The list works with arrow keys and Enter where one-key shortcuts are switched off, too.
  const onKey = (e: KeyboardEvent) => {
    if (e.target !== e.currentTarget || e.ctrlKey || e.metaKey || e.altKey || e.shiftKey) return
    const row = rows.find(r => r.key === cursor)
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') onStep(e.key === 'ArrowDown' ? 1 : -1)
    else if (e.key === 'Enter' && row) onOpen(row)
    else return
    e.preventDefault()
  }
  const now = link.now()
  return (
    <div className="list" data-stale={stale}>
      <div className="list-body" ref={scroller} onScroll={onScroll}>
        <div className="list-grid" role="grid" tabIndex={0} ref={grid} onKeyDown={onKey} aria-label={t.events.list} aria-rowcount={rows.length + 1}
          aria-activedescendant={chosen && rowID(chosen.index)}>
          <div className="list-head" role="row" aria-rowindex={1}>
            <span role="columnheader">{t.events.time}</span>
            <span role="columnheader"><span className="hidden-visually">{t.detail.severity}</span></span>
            <span role="columnheader">{t.events.station}</span>
            <span role="columnheader">{t.events.what}</span>
          </div>
          <div className="list-space" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
            {items.map(item => {
              const e = rows[item.index]!
              return <Row key={item.index} e={e} top={item.start - head} index={item.index} chosen={e.key === cursor} words={words} today={now} onOpen={onOpen} onTerm={onTerm} />
            })}
          </div>
        </div>
        <Foot feed={feed} view={view} filtered={filtered} onClear={onClear} explain={explain} />
      </div>
    </div>
  )
}

const rowID = (index: number): string => `row-${index}`

interface RowProps {
  e: Entry
  top: number
  index: number
  chosen: boolean
  words: Words
  today: number
  onOpen: (e: Entry) => void
  onTerm: (term: string) => void
}

const Row = memo(function Row({ e, top, index, chosen, words, today, onOpen, onTerm }: RowProps) {
  const { leaf } = e
  return (
    <div className="row" role="row" id={rowID(index)} aria-rowindex={index + 2} aria-selected={chosen} data-severity={leaf.severity} style={{ transform: `translateY(${top}px)` }} onClick={() => onOpen(e)}>
      <span role="gridcell" className="row-time" title={leaf.timestamp}>{words.rowTime(e.at, today)}</span>
      <span role="gridcell" className="row-mark">
        <Mark severity={leaf.severity} label={words.t.severity[leaf.severity] ?? leaf.severity} />
      </span>
      <Cell field="station" value={leaf.station} text={shortStation(leaf.station)} onTerm={onTerm} words={words} />
      <Cell field="type" value={leaf.event_type} text={words.title(leaf)} onTerm={onTerm} words={words} strong />
    </div>
  )
}, (a, b) => a.e === b.e && a.top === b.top && a.chosen === b.chosen && a.words.t === b.words.t && a.words.zone === b.words.zone && a.onTerm === b.onTerm && a.onOpen === b.onOpen)

interface CellProps { field: Field; value: string; text: string; strong?: boolean; onTerm: (term: string) => void; words: Words }

function Cell({ field, value, text, strong, onTerm, words }: CellProps) {
  const term = (not: boolean) => termText({ field, path: [], op: ':', not, values: [value] })
  const act = (not: boolean) => (event: React.MouseEvent) => { event.stopPropagation(); onTerm(term(not)) }
  return (
    <span role="gridcell" className={strong ? 'cell row-what' : 'cell'} title={strong ? undefined : value}>
      <span className="cell-text">{text}</span>
      {value !== '' && (
        <span className="cell-acts">
          <button tabIndex={-1} aria-label={fill(words.t.events.only, { value })} title={fill(words.t.events.only, { value })} onClick={act(false)}><IconPlus size={14} /></button>
          <button tabIndex={-1} aria-label={fill(words.t.events.not, { value })} title={fill(words.t.events.not, { value })} onClick={act(true)}><IconMinus size={14} /></button>
        </span>
      )}
    </span>
  )
}

function Foot({ feed, view, filtered, onClear, explain }: Pick<Props, 'feed' | 'view' | 'filtered' | 'onClear' | 'explain'>) {
  const t = useTexts()
  if (view.status === 'failed') {
    return (
      <div className="empty" role="alert">
        <strong>{fill(t.events.failed, { detail: explain(view.error) })}</strong>
        <button className="button" onClick={() => void feed.load()}>{t.app.retry}</button>
      </div>
    )
  }
  if (view.status === 'loading') return <div className="skeleton late" aria-hidden="true">{Array.from({ length: 8 }, (_, i) => <i key={i} />)}</div>
  if (view.rows.length === 0) {
    return (
      <div className="empty">
        <strong>{filtered ? t.events.empty : t.events.emptyAll}</strong>
        <p className="second">{filtered ? t.events.emptyHint : t.events.emptyAllHint}</p>
        {filtered && <button className="button" onClick={onClear}>{t.events.clear}</button>}
      </div>
    )
  }
  if (view.older === 'failed') return <p className="list-foot"><button className="link" onClick={() => void feed.older()}>{t.app.retry}</button></p>
  return <p className="list-foot second small">{view.more || view.trimmed ? t.events.more : t.events.end}</p>
}
