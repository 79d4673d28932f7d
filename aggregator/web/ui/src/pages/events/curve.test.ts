import { describe, expect, it } from 'vitest'
import type { Leaf } from '../../api/types'
import { decodeCurve, drawnWith, joined, range } from './curve'

const base64 = (list: number[]) => btoa(String.fromCharCode(...new Uint8Array(new Float32Array(list).buffer)))
const curve = (start: string, min: number[], max = min) => ({ start, step_ms: 1000, min: base64(min), max: base64(max) })
const leaf = (event_data: Leaf['event_data']) => ({ event_data }) as Leaf

describe('a curve', () => {
  it('has empty steps where no value came', () => {
    expect(decodeCurve(curve('2026-11-22T08:00:00Z', [1, NaN, 3]))).toEqual({
      times: [0, 1000, 2000].map(t => Date.parse('2026-11-22T08:00:00Z') + t), min: [1, null, 3], max: [1, null, 3],
    })
    expect(decodeCurve({ start: 'x', step_ms: 1, min: '', max: '' })).toBeUndefined()
    expect(decodeCurve({ ...curve('2026-11-22T08:00:00Z', [1, 2]), step_ms: 2 ** 53 })).toBeUndefined() // no time that a clock could show
  })
  it('goes on with what came after it, each moment once', () => {
    const first = decodeCurve(curve('2026-11-22T08:00:00Z', [1, 2, 3]))!
    const later = decodeCurve(curve('2026-11-22T08:00:01Z', [9, 9, 4, 5]))!
    expect(joined(first, later)?.min).toEqual([1, 2, 3, 4, 5])
    expect(joined(first, undefined)).toBe(first)
    expect(joined(undefined, later)).toBeUndefined()
    expect(joined(later, first)?.min).toEqual([9, 9, 4, 5])
  })
  it('is drawn with its limits and the band of what is usual', () => {
    expect(drawnWith(leaf({ limits: { hi: 90, hihi: 95, per: '1m' }, limit: 90, band: { low: 60, high: 65 } }))).toEqual({
      lines: [{ name: 'HighHigh', value: 95 }, { name: 'High', value: 90 }], band: { low: 60, high: 65 },
    })
    expect(drawnWith(leaf({ limit: 7, condition: 'Low', setpoint: 3 })).lines).toEqual([{ name: 'Low', value: 7 }, { name: 'Setpoint', value: 3 }])
    expect(drawnWith(leaf({ quantity: 'RateOfChange', limits: { hi: 30 }, limit: 30 })).lines).toEqual([])
    expect(drawnWith(leaf({ band: 'wide', limits: [1] }))).toEqual({ lines: [] })
  })
  it('shows what lies near it and not what is far away', () => {
    const points = decodeCurve(curve('2026-11-22T08:00:00Z', [60, 62], [61, 64]))!
    const [low, high] = range(points, { lines: [{ name: 'High', value: 66 }, { name: 'HighHigh', value: 1000 }], band: { low: 59, high: 63 } })
    expect(low).toBeGreaterThan(58)
    expect(low).toBeLessThan(59)
    expect(high).toBeGreaterThan(66)
    expect(high).toBeLessThan(67)
    expect(range({ times: [0], min: [null], max: [null] }, { lines: [] })).toEqual([0, 1])
  })
})
