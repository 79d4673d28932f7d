import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { api } from '../../api/client'
import type { StoredEvent } from '../../api/types'
import { fill } from '../../i18n'
import { figure } from '../../i18n/sentence'
import { termText } from '../../live/query'
import { drawnWith } from './curve'
import { useWords } from './words'

const Curve = lazy(() => import('./CurveChart'))

/** The curve after a finding is told this late at most. */
const afterWithin = 6 * 60_000

/** The curve before an event and, once it was recorded, the one after it, with
 *  the band of what is usual and the limits. */
export function CurvePart({ e }: { e: StoredEvent }) {
  const { t, zone } = useWords()
  const { leaf } = e
  const link = leaf.event_type !== 'signal.curve' && leaf.curve ? leaf.correlation_id : undefined
  const young = Date.now() - Date.parse(e.stored.at) < afterWithin
  const after = useQuery({
    queryKey: ['curve-after', link], enabled: !!link, staleTime: 60_000,
    queryFn: ({ signal }) => api.events({ q: termText({ field: 'correlation', path: [], op: ':', not: false, values: [link!] }) + ' type:signal.curve', limit: 20 }, signal),
    refetchInterval: q => young && !q.state.data?.events?.length ? 5000 : false,
  })
  if (!leaf.curve) return null
  const later = after.data?.events?.find(x => x.leaf.signal === leaf.signal)?.leaf.curve
  const marks = drawnWith(leaf)
  const number = (v: number) => figure(v, t.locale)
  const says = [
    marks.band && fill(t.detail.curveUsual, { low: number(marks.band.low), high: number(marks.band.high) }),
    marks.lines.length > 0 && fill(t.detail.curveLimits, { names: marks.lines.map(l => `${l.name} ${number(l.value)}`).join(', ') }),
    link && !later && after.isSuccess && young && t.detail.curveAfter,
  ].filter(Boolean).join(' ')
  return (
    <section className="detail-part">
      <h3>{t.detail.curve}</h3>
      <Suspense fallback={<div className="curve" />}>
        <Curve curve={leaf.curve} after={later} marks={marks} at={Date.parse(leaf.timestamp)} zone={zone} />
      </Suspense>
      {says && <p className="second small">{says}</p>}
    </section>
  )
}
