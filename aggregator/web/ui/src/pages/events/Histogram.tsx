import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useMemo, useRef, useState, type PointerEvent } from 'react'
import { api } from '../../api/client'
import type { Bucket, Histogram as Data, Severity } from '../../api/types'
import { useLinkView, useSession } from '../../app/session'
import { count, fill, useTexts } from '../../i18n'
import { split, withRange } from '../../live/query'
import { explain, useWords } from './words'

interface Props {
  q: string
  range: { from?: number; to?: number }
  paused: boolean
  /** The range ends in the past: nothing more comes. */
  fixed: boolean
  onRange: (from: number | undefined, to: number | undefined) => void
  onSpan: (q: string) => void
}

const HOUR = 3_600_000
const HEIGHT = 44
const spans = [['15m', 'm15'], ['1h', 'h1'], ['8h', 'h8'], ['1d', 'd1'], ['7d', 'd7']] as const

export function Histogram(props: Props) {
  const { q, range, fixed } = props
  const { link } = useSession()
  const lost = useLinkView().state === 'lost'
  const t = useTexts()
  const result = useQuery({
    queryKey: ['histogram', q],
    queryFn: ({ signal }) => {
      const to = range.to ?? link.now()
      // "since:2h" moves with the clock, so its length is kept, not its start.
      const from = span(q) !== undefined ? to - span(q)! : range.from ?? to - HOUR
      return api.histogram({ q, from: new Date(from).toISOString(), to: new Date(to).toISOString(), buckets: 60 }, signal)
    },
    refetchInterval: fixed || lost ? false : 10_000,
    placeholderData: keepPreviousData,
  })
  return (
    <div className="histogram">
      {result.data ? <Chart {...props} data={result.data} /> : <div className="chart">{result.isError && <p className="second small">{fill(t.histogram.failed, { detail: explain(result.error, t) })}</p>}</div>}
      <SpanChoice {...props} />
    </div>
  )
}

/** ms of a relative since, undefined without one. */
function span(q: string): number | undefined {
  const m = split(q).map(term => /^since:(\d+)([smhdw])$/.exec(term)).find(Boolean)
  const unit = { s: 1e3, m: 60e3, h: HOUR, d: 24 * HOUR, w: 168 * HOUR }[m?.[2] ?? '']
  return m && unit ? Number(m[1]) * unit : undefined
}

function SpanChoice({ q, range, onSpan }: Props) {
  const t = useTexts()
  const current = spans.find(([text]) => split(q).includes('since:' + text))?.[0]
  const custom = current === undefined && (range.from !== undefined || range.to !== undefined)
  return (
    <label className="span-choice">
      <span className="hidden-visually">{t.histogram.span}</span>
      <select value={current ?? (custom ? 'custom' : '')} onChange={e => {
        const rest = withRange(q, undefined, undefined)
        onSpan(e.target.value ? [rest, 'since:' + e.target.value].filter(Boolean).join(' ') : rest)
      }}>
        <option value="">{t.histogram.any}</option>
        {spans.map(([value, key]) => <option key={value} value={value}>{t.histogram[key]}</option>)}
        {custom && <option value="custom">{t.histogram.custom}</option>}
      </select>
    </label>
  )
}

const stack: [Severity[], string][] = [[['debug', 'info', 'low'], 'calm'], [['medium'], 'p3'], [['high'], 'p2'], [['critical'], 'p1']]
const total = (b: Bucket): number => b.debug + b.info + b.low + b.medium + b.high + b.critical

function Chart({ data, onRange }: Props & { data: Data }) {
  const words = useWords()
  const { t } = words
  const box = useRef<HTMLDivElement>(null)
  const [drag, setDrag] = useState<{ from: number; to: number }>()
  const [hover, setHover] = useState<number>()
  const n = data.buckets.length
  const start = Date.parse(data.from), end = Date.parse(data.to)
  const bars = useMemo(() => drawBars(data.buckets), [data.buckets])
  const slot = (e: PointerEvent): number => {
    const r = box.current!.getBoundingClientRect()
    return Math.min(n - 1, Math.max(0, Math.floor(((e.clientX - r.left) / r.width) * n)))
  }
  const at = (i: number): number => i >= n ? end : Date.parse(data.buckets[i]!.at)
  const finish = () => {
    if (drag) onRange(at(Math.min(drag.from, drag.to)), at(Math.max(drag.from, drag.to) + 1))
    setDrag(undefined)
  }
  const label = fill(t.histogram.label, { from: words.fullTime(start).slice(0, -7), to: words.fullTime(end).slice(0, -7) })
  const b = hover !== undefined ? data.buckets[hover] : undefined
  return (
    <div className="chart" title={t.histogram.drag}>
      <div className="chart-box" ref={box} onPointerLeave={() => setHover(undefined)} onPointerCancel={() => setDrag(undefined)}
        onPointerDown={e => { if (e.button !== 0) return; e.currentTarget.setPointerCapture(e.pointerId); setDrag({ from: slot(e), to: slot(e) }) }}
        onPointerMove={e => { setHover(slot(e)); if (drag) setDrag({ ...drag, to: slot(e) }) }} onPointerUp={finish}>
        <svg width="100%" height={HEIGHT} viewBox={`0 0 ${n} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
          {drag && <rect className="chart-drag" x={Math.min(drag.from, drag.to)} width={Math.abs(drag.to - drag.from) + 1} y="0" height={HEIGHT} />}
          {!drag && hover !== undefined && <rect className="chart-hover" x={hover} width="1" y="0" height={HEIGHT} />}
          {bars}
        </svg>
      </div>
      <div className="chart-axis second" aria-hidden="true">
        {b
          ? <span className="chart-read">{fill(t.histogram.bucket, { time: words.minute(Date.parse(b.at)), n: count(total(b), t.locale) })}{b.high + b.critical > 0 && `, ${fill(t.histogram.urgent, { n: count(b.high + b.critical, t.locale) })}`}</span>
          : [0, 0.25, 0.5, 0.75, 1].map(f => <span key={f}>{axisText(start + (end - start) * f, end - start, words)}</span>)}
      </div>
    </div>
  )
}

function axisText(ms: number, length: number, words: ReturnType<typeof useWords>): string {
  return length > 36 * HOUR ? words.fullTime(ms).split(' ').slice(0, 2).join(' ') : words.minute(ms)
}

function drawBars(buckets: Bucket[]) {
  const most = Math.max(1, ...buckets.map(total))
  return buckets.flatMap((b, i) => {
    let y = HEIGHT
    return stack.map(([names, kind]) => {
      const value = names.reduce((sum, name) => sum + b[name], 0)
      if (value === 0) return null
      // What somebody should look at is never thinner than can be seen.
      const h = Math.max(kind === 'calm' ? 1 : 2, (value / most) * (HEIGHT - 4))
      y -= h
      return <rect key={`${i}${kind}`} className={'bar-' + kind} x={i + 0.1} width={0.8} y={y} height={h} />
    })
  })
}
