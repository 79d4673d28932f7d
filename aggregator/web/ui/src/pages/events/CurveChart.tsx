import 'uplot/dist/uPlot.min.css'

import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import type { Leaf } from '../../api/types'
import { useTexts } from '../../i18n'
import { clock } from '../../live/time'
import { decodeCurve, joined, range, type Marks } from './curve'

type Recorded = NonNullable<Leaf['curve']>

interface Props {
  curve: Recorded
  /** What came after it, once that is there. */
  after: Recorded | undefined
  marks: Marks
  at: number
  zone: string
}

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** The flight recorder's snippet: smallest and largest value of each step. */
export default function Curve({ curve, after, marks, at, zone }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const t = useTexts()
  const given = JSON.stringify(marks)
  useEffect(() => {
    const data = joined(decodeCurve(curve), after && decodeCurve(after))
    const drawn = JSON.parse(given) as Marks
    if (!box.current || !data) return
    const el = box.current
    const draw = () => {
      const line = colour('--text'), axis = { stroke: colour('--text-2'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px Inter Variable' }
      return new uPlot({
        width: el.clientWidth, height: 170, cursor: { drag: { x: false, y: false } }, legend: { show: false }, padding: [8, 28, 0, 0], // half of the last time stands on the right
        scales: { x: { time: false }, y: { range: () => range(data, drawn) } },
        axes: [{ ...axis, values: (_, splits) => splits.map(s => clock(s, zone)), space: 80, size: 28 }, { ...axis, size: 52 }],
        series: [{}, { stroke: line, width: 1.2, points: { show: false } }, { stroke: line, width: 1.2, points: { show: false } }],
        bands: [{ series: [2, 1], fill: colour('--line-strong') }],
        hooks: {
          drawClear: [u => usual(u, drawn, colour('--band'))],
          draw: [u => limits(u, drawn, colour('--text-2')), u => markTime(u, at, colour('--action'))],
        },
      }, [data.times, data.min, data.max], el)
    }
    let plot = draw()
    // A plot does not follow the size of its box or the theme by itself.
    const again = () => { plot.destroy(); plot = draw() }
    const size = new ResizeObserver(() => { if (el.clientWidth !== plot.width) again() })
    size.observe(el)
    const theme = new MutationObserver(again)
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    return () => { size.disconnect(); theme.disconnect(); plot.destroy() }
  }, [curve, after, given, at, zone])
  return <div ref={box} className="curve" role="img" aria-label={t.detail.curve} />
}

/** The band of what is usual, behind everything. */
function usual(u: uPlot, marks: Marks, fill: string): void {
  if (!marks.band) return
  const top = Math.max(u.valToPos(marks.band.high, 'y', true), u.bbox.top)
  const bottom = Math.min(u.valToPos(marks.band.low, 'y', true), u.bbox.top + u.bbox.height)
  if (!(bottom > top)) return
  u.ctx.save()
  u.ctx.fillStyle = fill
  u.ctx.fillRect(u.bbox.left, top, u.bbox.width, Math.max(bottom - top, 1))
  u.ctx.restore()
}

function limits(u: uPlot, marks: Marks, stroke: string): void {
  for (const { value, name } of marks.lines) {
    const y = u.valToPos(value, 'y', true)
    if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) continue
    stretch(u, stroke, [6, 4], u.bbox.left, y, u.bbox.left + u.bbox.width, y)
    u.ctx.save()
    u.ctx.fillStyle = stroke
    u.ctx.textAlign = 'left'
    u.ctx.textBaseline = 'alphabetic'
    u.ctx.font = `${11 * devicePixelRatio}px Inter Variable`
    u.ctx.fillText(name, u.bbox.left + 4 * devicePixelRatio, y - 4 * devicePixelRatio)
    u.ctx.restore()
  }
}

function markTime(u: uPlot, at: number, stroke: string): void {
  const x = u.valToPos(at, 'x', true)
  if (x >= u.bbox.left && x <= u.bbox.left + u.bbox.width) stretch(u, stroke, [4, 4], x, u.bbox.top, x, u.bbox.top + u.bbox.height)
}

function stretch(u: uPlot, stroke: string, dash: number[], x1: number, y1: number, x2: number, y2: number): void {
  u.ctx.save()
  u.ctx.strokeStyle = stroke
  u.ctx.setLineDash(dash)
  u.ctx.beginPath()
  u.ctx.moveTo(x1, y1)
  u.ctx.lineTo(x2, y2)
  u.ctx.stroke()
  u.ctx.restore()
}
