import type { Leaf } from '../../api/types'
import { fromBase64 } from '../../proof/bytes'

/** Times (ms), minima and maxima of a curve; undefined when it is damaged. */
export function decodeCurve(curve: NonNullable<Leaf['curve']>): { times: number[]; min: number[]; max: number[] } | undefined {
  const min = floats(curve.min), max = floats(curve.max), start = Date.parse(curve.start)
  if (!min || !max || min.length === 0 || min.length !== max.length || Number.isNaN(start) || !(curve.step_ms > 0)) return undefined
  return { times: min.map((_, i) => start + i * curve.step_ms), min, max }
}

function floats(text: string): number[] | undefined {
  const bytes = fromBase64(text)
  if (!bytes || bytes.length % 4 !== 0) return undefined
  const view = new DataView(bytes.buffer)
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(i * 4, true))
}
