import { IconArrowLeft, IconMinus, IconPlus, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useRef, type ReactNode } from 'react'
import { api, ApiError } from '../../api/client'
import type { EventDetail, StoredEvent } from '../../api/types'
import { fill, useTexts } from '../../i18n'
import { duration, person, plain } from '../../i18n/sentence'
import { offsetLabel } from '../../live/time'
import { termText, type Field } from '../../live/query'
import { Mark } from '../../ui/Mark'
import { Around } from './Around'
import { EvidencePart } from './EvidencePart'
import { explain, useWords } from './words'

const Curve = lazy(() => import('./CurveChart'))

interface Props {
  id: string
  /** The event as the list has it; the rest follows. */
  known: StoredEvent | undefined
  onOpen: (id: string) => void
  onClose: () => void
  onTerm: (term: string) => void
}

export function Detail({ id, known, onOpen, onClose, onTerm }: Props) {
  const t = useTexts()
  const panel = useRef<HTMLElement>(null)
  const result = useQuery({
    queryKey: ['event', id], queryFn: ({ signal }) => api.event(id, signal), staleTime: 60_000,
    placeholderData: known as EventDetail | undefined,
  })
  useEffect(() => panel.current?.scrollTo({ top: 0 }), [id])
  return (
    <aside className="panel detail" aria-label={t.detail.label} ref={panel}>
      <div className="detail-back"><button className="button" onClick={onClose}><IconArrowLeft size={18} aria-hidden="true" />{t.app.back}</button></div>
      {result.data
        ? <Body e={result.data} onOpen={onOpen} onClose={onClose} onTerm={onTerm} />
        : <Missing error={result.error} onRetry={() => void result.refetch()} onClose={onClose} />}
    </aside>
  )
}

function Missing({ error, onRetry, onClose }: { error: unknown; onRetry: () => void; onClose: () => void }) {
  const t = useTexts()
  if (!error) return <p className="late second detail-part">{t.app.loading}</p>
  const gone = error instanceof ApiError && error.status === 404
  return (
    <div className="empty" role="alert">
      <strong>{gone ? t.detail.notFound : fill(t.detail.failed, { detail: explain(error, t) })}</strong>
      {gone && <p className="second">{t.detail.notFoundHint}</p>}
      <button className="button" onClick={gone ? onClose : onRetry}>{gone ? t.app.close : t.app.retry}</button>
    </div>
  )
}

function Body({ e, onOpen, onClose, onTerm }: { e: EventDetail } & Pick<Props, 'onOpen' | 'onClose' | 'onTerm'>) {
  const words = useWords()
  const { t } = words
  return (
    <>
      <header className="detail-head">
        <Mark severity={e.leaf.severity} label={t.severity[e.leaf.severity] ?? e.leaf.severity} size={24} filled />
        <h2>{words.title(e.leaf)}</h2>
        <button className="button plain icon" aria-label={t.app.close} onClick={onClose}><IconX size={20} stroke={1.7} /></button>
      </header>
      {e.others && e.others.length > 0 && <p className="note detail-note">{fill(t.detail.twice, { n: e.others.length + 1 })}</p>}
      <Facts e={e} onTerm={onTerm} />
      <Problems e={e} />
      {e.leaf.curve && <section className="detail-part"><h3>{t.detail.curve}</h3><Suspense fallback={null}><Curve curve={e.leaf.curve} at={Date.parse(e.leaf.timestamp)} zone={words.zone} /></Suspense></section>}
      <EvidencePart e={e} />
      <Around e={e} onOpen={onOpen} />
    </>
  )
}

interface FactProps { name: string; children: ReactNode; field?: Field; path?: string[]; value?: string; onTerm?: (term: string) => void }

function Fact({ name, children, field, path = [], value, onTerm }: FactProps) {
  const t = useTexts()
  const term = (not: boolean) => termText({ field: field!, path, op: ':', not, values: [value!] })
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
      {field && value && onTerm && (
        <dd className="fact-acts">
          <button aria-label={`${t.detail.filterFor}: ${name}`} title={t.detail.filterFor} onClick={() => onTerm(term(false))}><IconPlus size={14} /></button>
          <button aria-label={`${t.detail.filterOut}: ${name}`} title={t.detail.filterOut} onClick={() => onTerm(term(true))}><IconMinus size={14} /></button>
        </dd>
      )}
    </div>
  )
}

function Facts({ e, onTerm }: { e: StoredEvent; onTerm: (term: string) => void }) {
  const words = useWords()
  const { t } = words
  const { leaf, stored } = e
  const at = Date.parse(stored.at), delay = Date.parse(stored.received_at) - at
  const own = (name: string, field: Field, value: string | undefined, shown?: string) => value &&
    <Fact name={name} field={field} value={value} onTerm={onTerm}><span className={field === 'id' || field === 'correlation' ? 'mono' : undefined} title={shown && shown !== value ? value : undefined}>{shown ?? value}</span></Fact>
  return (
    <section className="detail-part">
      <dl className="facts">
        <Fact name={t.detail.time}><span title={leaf.timestamp}>{words.fullTime(at)}</span> <span className="second">{offsetLabel(at, words.zone)}</span></Fact>
        {own(t.detail.station, 'station', leaf.station)}
        {own(t.detail.equipment, 'equipment', leaf.equipment)}
        {own(t.detail.signal, 'signal', leaf.signal)}
        {own(t.detail.type, 'type', leaf.event_type)}
        {own(t.detail.severity, 'severity', leaf.severity, t.severity[leaf.severity])}
        {own(t.detail.class, 'class', leaf.class, t.className[leaf.class as keyof typeof t.className])}
        {own(t.detail.person, 'user', leaf.user_id, leaf.user_id && person(leaf.user_id))}
        {own(t.detail.ip, 'ip', leaf.source_ip)}
        {own(t.detail.correlation, 'correlation', leaf.correlation_id)}
        {own(t.detail.id, 'id', leaf.id)}
      </dl>
      <DataFacts e={e} onTerm={onTerm} />
      <dl className="facts">
        {leaf.source?.kind && <Fact name={t.detail.source}><span className="wrap">{[leaf.source.kind, leaf.source.endpoint, leaf.source.item].filter(Boolean).join(' · ')}</span></Fact>}
        <Fact name={t.detail.received}><span title={stored.received_at}>{words.fullTime(Date.parse(stored.received_at))}</span>{delay >= 1000 && <span className="second"> {fill(t.detail.late, { d: duration(delay, t.locale) })}</span>}</Fact>
        {Math.abs(stored.clock_offset_ms ?? 0) >= 1000 && <Fact name={t.detail.clock}>{fill(t.detail.clockOff, { d: duration(stored.clock_offset_ms!, t.locale) })}</Fact>}
        <Fact name={t.detail.place}>{fill(t.detail.placeText, { index: stored.index, log: '' })}<span className="mono">{stored.log}</span></Fact>
      </dl>
    </section>
  )
}

/** event_data and context, field by field; only plain values can be searched for. */
function DataFacts({ e, onTerm }: { e: StoredEvent; onTerm: (term: string) => void }) {
  const t = useTexts()
  const data = Object.entries(e.leaf.event_data ?? {}), context = Object.entries(e.leaf.context ?? {})
  const sealed = Object.keys(e.leaf.sealed ?? {})
  if (data.length + context.length + sealed.length === 0) return null
  return (
    <dl className="facts facts-data">
      {data.map(([key, value]) => (
        <Fact key={key} name={key} field={value !== null && typeof value !== 'object' ? 'data' : undefined} path={[key]} value={String(value)} onTerm={onTerm}>
          <span className="wrap">{plain(value, t)}</span>
        </Fact>
      ))}
      {context.map(([key, value]) => <Fact key={'c' + key} name={key}><span className="wrap">{plain(value, t)}</span></Fact>)}
      {sealed.map(path => <Fact key={'s' + path} name={path}><span className="second">{t.detail.sealed}</span></Fact>)}
    </dl>
  )
}

function Problems({ e }: { e: StoredEvent }) {
  const words = useWords()
  const list = [...(e.leaf.metadata?.problems ?? []), ...(e.stored.problems ?? [])]
  const moved = Math.abs(Date.parse(e.stored.at) - Date.parse(e.leaf.timestamp)) >= 1000
  if (list.length === 0 && !moved) return null
  return (
    <section className="detail-part">
      <h3>{words.t.detail.problems}</h3>
      <ul className="problems">
        {moved && <li>{fill(words.t.detail.sourceTime, { time: e.leaf.timestamp })}</li>}
        {list.map((p, i) => <li key={i}><span className="mono">{p.field}</span> {p.reason}</li>)}
      </ul>
    </section>
  )
}
