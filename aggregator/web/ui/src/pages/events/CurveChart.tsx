import 'uplot/dist/uPlot.min.css'

import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import type { Leaf } from '../../api/types'
import { useTexts } from '../../i18n'
import { clock } from '../../live/time'
import { decodeCurve } from './curve'

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** The flight recorder's snippet: smallest and largest value of each step. */
export default function Curve({ curve, at, zone }: { curve: NonNullable<Leaf['curve']>; at: number; zone: string }) {
  const box = useRef<HTMLDivElement>(null)
  const t = useTexts()
  useEffect(() => {
    const data = decodeCurve(curve)
    if (!box.current || !data) return
    const line = colour('--text'), axis = { stroke: colour('--text-2'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px Inter Variable' }
    const plot = new uPlot({
      width: box.current.clientWidth, height: 140, cursor: { drag: { x: false, y: false } }, legend: { show: false }, padding: [8, 8, 0, 0],
      scales: { x: { time: false } },
      axes: [{ ...axis, values: (_, splits) => splits.map(s => clock(s, zone)), space: 80, size: 28 }, { ...axis, size: 52 }],
      series: [{}, { stroke: line, width: 1.2, points: { show: false } }, { stroke: line, width: 1.2, points: { show: false } }],
      bands: [{ series: [2, 1], fill: colour('--line') }],
      hooks: { draw: [u => markTime(u, at, colour('--action'))] },
    }, [data.times, data.min, data.max], box.current)
    return () => plot.destroy()
  }, [curve, at, zone])
  return <div ref={box} className="curve" role="img" aria-label={t.detail.curve} />
}

function markTime(u: uPlot, at: number, stroke: string): void {
  const x = u.valToPos(at, 'x', true)
  if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) return
  u.ctx.save()
  u.ctx.strokeStyle = stroke
  u.ctx.setLineDash([4, 4])
  u.ctx.beginPath()
  u.ctx.moveTo(x, u.bbox.top)
  u.ctx.lineTo(x, u.bbox.top + u.bbox.height)
  u.ctx.stroke()
  u.ctx.restore()
}
