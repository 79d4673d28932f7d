import type { Json, Leaf } from '../../api/types'
import { fromBase64 } from '../../proof/bytes'

/** Times (ms), minima and maxima; null where a step had no value. */
export interface Points { times: number[]; min: (number | null)[]; max: (number | null)[] }

/** What a curve is drawn with: limits, and the band of what is usual. */
export interface Marks { lines: { name: string; value: number }[]; band?: { low: number; high: number } }

/** The end of the year 9999: no clock shows what is behind it. */
const LAST = Date.UTC(10_000, 0)

/** The points of a curve; undefined when it is damaged. */
export function decodeCurve(curve: NonNullable<Leaf['curve']>): Points | undefined {
  const min = floats(curve.min), max = floats(curve.max), start = Date.parse(curve.start)
  if (!min || !max || min.length === 0 || min.length !== max.length || Number.isNaN(start) || !(curve.step_ms > 0)) return undefined
  if (start + min.length * curve.step_ms > LAST) return undefined
  return { times: min.map((_, i) => start + i * curve.step_ms), min, max }
}

function floats(text: string): (number | null)[] | undefined {
  const bytes = fromBase64(text)
  if (!bytes || bytes.length % 4 !== 0) return undefined
  const view = new DataView(bytes.buffer)
  return Array.from({ length: bytes.length / 4 }, (_, i) => {
    const v = view.getFloat32(i * 4, true)
    return Number.isFinite(v) ? v : null
  })
}

/** One curve of two; of the later one what the earlier does not have. */
export function joined(first: Points | undefined, later: Points | undefined): Points | undefined {
  if (!first || !later) return first
  const end = first.times.at(-1)!
  const from = later.times.findIndex(t => t > end)
  if (from < 0) return first
  return { times: [...first.times, ...later.times.slice(from)], min: [...first.min, ...later.min.slice(from)], max: [...first.max, ...later.max.slice(from)] }
}

const names: Record<string, string> = { hihi: 'HighHigh', hi: 'High', lo: 'Low', lolo: 'LowLow' }

/** What of an event belongs into its figure. Limits of a rate or a deviation are
 *  in another unit than the curve. */
export function drawnWith(leaf: Leaf): Marks {
  const data = leaf.event_data ?? {}
  const marks: Marks = { lines: [] }
  const band = record(data.band)
  if (band && typeof band.low === 'number' && typeof band.high === 'number') marks.band = { low: band.low, high: band.high }
  if (data.quantity) return marks
  const limits = record(data.limits)
  for (const [key, name] of Object.entries(names)) if (typeof limits?.[key] === 'number') marks.lines.push({ name, value: limits[key] })
  if (marks.lines.length === 0 && typeof data.limit === 'number') marks.lines.push({ name: typeof data.condition === 'string' ? data.condition : '', value: data.limit })
  if (typeof data.setpoint === 'number') marks.lines.push({ name: 'Setpoint', value: data.setpoint })
  return marks
}

function record(value: Json | undefined): Record<string, Json> | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined
}

/** The range of values that is shown: the curve, and what lies near it. */
export function range(points: Points, marks: Marks): [number, number] {
  let low = Infinity, high = -Infinity
  for (const v of points.min) if (v !== null) low = Math.min(low, v)
  for (const v of points.max) if (v !== null) high = Math.max(high, v)
  if (!(low <= high)) return [0, 1]
  const near = Math.max(high - low, Math.abs(high) / 100, 1e-9)
  const more = [...marks.lines.map(l => l.value), ...(marks.band ? [marks.band.low, marks.band.high] : [])]
  const [from, to] = [low - near, high + near]
  for (const v of more) if (v >= from && v <= to) [low, high] = [Math.min(low, v), Math.max(high, v)]
  const margin = Math.max((high - low) * 0.08, Math.abs(high) * 1e-6, 1e-9)
  return [low - margin, high + margin]
}
