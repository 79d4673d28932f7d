import { Menu } from '@mantine/core'
import { IconArrowLeft, IconFilter, IconMinus, IconPlus, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, type ReactNode } from 'react'
import { api, ApiError } from '../../api/client'
import type { EventDetail, Json, StoredEvent } from '../../api/types'
import { useSettings } from '../../app/settings'
import { fill, useTexts } from '../../i18n'
import { said } from '../../i18n/said'
import { duration, measure, person, plain } from '../../i18n/sentence'
import { instant, offsetLabel } from '../../live/time'
import { termText, type Field } from '../../live/query'
import { Mark } from '../../ui/Mark'
import { Around } from './Around'
import { CurvePart } from './CurvePart'
import { EvidencePart, VerdictLine } from './EvidencePart'
import { SealedPart } from './SealedPart'
import { explain, sentenceCase, useWords } from './words'

/** The detail has the page for itself, as in events.css. */
const alone = matchMedia('(max-width: 860px)')

interface Props {
  id: string
  /** The event as the list has it; the rest follows. */
  known: StoredEvent | undefined
  /** A person opened it here, not a link: the focus comes along where its place is gone. */
  acted: boolean
  onOpen: (id: string) => void
  onClose: () => void
  onTerm: (term: string) => void
}

export function Detail({ id, known, acted, onOpen, onClose, onTerm }: Props) {
  const t = useTexts()
  const panel = useRef<HTMLElement>(null)
  const result = useQuery({
    queryKey: ['event', id], queryFn: ({ signal }) => api.event(id, signal), staleTime: 60_000,
    placeholderData: known as EventDetail | undefined,
  })
  useEffect(() => {
    panel.current?.scrollTo({ top: 0 }) // scrollTo returns a promise in new browsers
    // The list is hidden on narrow screens, and a neighbour that was pressed is gone.
    if (acted && (alone.matches || document.activeElement === document.body)) panel.current?.focus({ preventScroll: true })
  }, [id, acted])
  return (
    <aside className="panel detail" aria-label={t.detail.label} ref={panel} tabIndex={-1}>
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
  const dropped = error instanceof ApiError && error.status === 410
  return (
    <div className="empty" role="alert">
      <strong>{gone ? t.detail.notFound : dropped ? sentenceCase(explain(error, t)) : fill(t.detail.failed, { detail: explain(error, t) })}</strong>
      {gone && <p className="second">{t.detail.notFoundHint}</p>}
      <button className="button" onClick={gone || dropped ? onClose : onRetry}>{gone || dropped ? t.app.close : t.app.retry}</button>
    </div>
  )
}

function Body({ e, onOpen, onClose, onTerm }: { e: EventDetail } & Pick<Props, 'onOpen' | 'onClose' | 'onTerm'>) {
  const words = useWords()
  const { t } = words
  const why = words.why(e.leaf)
  return (
    <>
      <header className="detail-head">
        <Mark severity={e.leaf.severity} label={t.severity[e.leaf.severity] ?? e.leaf.severity} size={24} filled />
        <div className="detail-title"><h2>{words.title(e.leaf)}</h2><VerdictLine e={e} /></div>
        <button className="button plain icon" aria-label={t.app.close} onClick={onClose}><IconX size={20} stroke={1.7} /></button>
      </header>
      {e.others && e.others.length > 0 && <p className="note detail-note">{fill(t.detail.twice, { n: e.others.length + 1 })}</p>}
      {why && <p className="detail-said" lang={why.lang}>{why.text}</p>}
      <CurvePart e={e} />
      <Facts e={e} onTerm={onTerm} />
      <SealedPart e={e} />
      <Problems e={e} />
      <EvidencePart e={e} />
      <Around e={e} onOpen={onOpen} />
      <Origin e={e} onTerm={onTerm} />
    </>
  )
}

interface FactProps { name: string; children: ReactNode; field?: Field; path?: string[]; value?: string; onTerm?: (term: string) => void }

function Fact({ name, children, field, path = [], value, onTerm }: FactProps) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
      {field && value && onTerm && <FactActs name={name} onTerm={not => onTerm(termText({ field, path, op: ':', not, values: [value] }))} />}
    </div>
  )
}

/** Filter for a field, or without it: two small buttons, or a menu for fingers. */
function FactActs({ name, onTerm }: { name: string; onTerm: (not: boolean) => void }) {
  const t = useTexts()
  const { density } = useSettings()
  if (density === 'touch') {
    return (
      <dd className="fact-acts">
        <Menu position="bottom-end">
          <Menu.Target><button className="button plain icon" aria-label={`${t.events.filter}: ${name}`}><IconFilter size={18} stroke={1.7} /></button></Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconPlus size={16} />} onClick={() => onTerm(false)}>{t.detail.filterFor}</Menu.Item>
            <Menu.Item leftSection={<IconMinus size={16} />} onClick={() => onTerm(true)}>{t.detail.filterOut}</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </dd>
    )
  }
  return (
    <dd className="fact-acts">
      <button aria-label={`${t.detail.filterFor}: ${name}`} title={t.detail.filterFor} onClick={() => onTerm(false)}><IconPlus size={14} /></button>
      <button aria-label={`${t.detail.filterOut}: ${name}`} title={t.detail.filterOut} onClick={() => onTerm(true)}><IconMinus size={14} /></button>
    </dd>
  )
}

function Facts({ e, onTerm }: { e: StoredEvent; onTerm: (term: string) => void }) {
  const words = useWords()
  const { t } = words
  const { leaf, stored } = e
  const at = Date.parse(stored.at)
  return (
    <section className="detail-part first">
      <dl className="facts">
        <Fact name={t.detail.time}><span title={leaf.timestamp}>{words.fullTime(at)}</span> <span className="second">{offsetLabel(at, words.zone)}</span></Fact>
        <Own name={t.detail.station} field="station" value={leaf.station} onTerm={onTerm} />
        <Own name={t.detail.equipment} field="equipment" value={leaf.equipment} onTerm={onTerm} />
        <Own name={t.detail.signal} field="signal" value={leaf.signal} onTerm={onTerm} />
        <Own name={t.detail.type} field="type" value={leaf.event_type} onTerm={onTerm} />
        <Own name={t.detail.severity} field="severity" value={leaf.severity} shown={t.severity[leaf.severity]} onTerm={onTerm} />
        <Own name={t.detail.person} field="user" value={leaf.user_id} shown={leaf.user_id && person(leaf.user_id)} onTerm={onTerm} />
        <Own name={t.detail.ip} field="ip" value={leaf.source_ip} onTerm={onTerm} />
        <Own name={t.detail.correlation} field="correlation" value={leaf.correlation_id} onTerm={onTerm} />
      </dl>
      <DataFacts e={e} onTerm={onTerm} />
    </section>
  )
}

/** Where the event came from and where it is kept: for those who look closer. */
function Origin({ e, onTerm }: { e: StoredEvent; onTerm: (term: string) => void }) {
  const words = useWords()
  const { t } = words
  const { leaf, stored } = e
  const delay = Date.parse(stored.received_at) - Date.parse(stored.at)
  const source = leaf.source && [leaf.source.kind, leaf.source.endpoint, leaf.source.item].filter(Boolean).join(' · ')
  return (
    <section className="detail-part">
      <h3>{t.detail.origin}</h3>
      <dl className="facts">
        <Own name={t.detail.id} field="id" value={leaf.id} mono onTerm={onTerm} />
        <Own name={t.detail.class} field="class" value={leaf.class} shown={t.className[leaf.class as keyof typeof t.className]} onTerm={onTerm} />
        {source && <Fact name={t.detail.source}>{source}</Fact>}
        <Fact name={t.detail.received}><span title={stored.received_at}>{words.fullTime(Date.parse(stored.received_at))}</span>{delay >= 1000 && <span className="second"> {fill(t.detail.late, { d: duration(delay, t.locale) })}</span>}</Fact>
        {Math.abs(stored.clock_offset_ms ?? 0) >= 1000 && <Fact name={t.detail.clock}>{fill(t.detail.clockOff, { d: duration(stored.clock_offset_ms!, t.locale) })}</Fact>}
        <Own name={t.detail.place} field="log" value={stored.log} shown={fill(t.detail.placeText, { index: stored.index, log: stored.log })} onTerm={onTerm} />
      </dl>
    </section>
  )
}

interface OwnProps { name: string; field: Field; value: string | undefined; shown?: string; mono?: boolean; onTerm: (term: string) => void }

/** A field of the envelope that can be searched for. */
function Own({ name, field, value, shown, mono, onTerm }: OwnProps) {
  if (!value) return null
  return (
    <Fact name={name} field={field} value={value} onTerm={onTerm}>
      <span className={mono ? 'mono' : undefined} title={shown && shown !== value ? value : undefined}>{shown ?? value}</span>
    </Fact>
  )
}

/** event_data and context, field by field; only plain values can be searched for. */
function DataFacts({ e, onTerm }: { e: StoredEvent; onTerm: (term: string) => void }) {
  const words = useWords()
  // The unit stands behind its value.
  const measured = typeof e.leaf.event_data?.value === 'number' && typeof e.leaf.event_data.unit === 'string'
  const drawn = !!e.leaf.curve
  const why = words.why(e.leaf)
  const data = Object.entries(e.leaf.event_data ?? {}).filter(([key, value]) => !(measured && key === 'unit') && !(drawn && ['band', 'limits'].includes(key)) && !(key === 'explanation' && value === why?.text))
  const context = Object.entries(e.leaf.context ?? {})
  if (data.length + context.length === 0) return null
  return (
    <dl className="facts facts-data">
      {data.map(([key, value]) => (
        <Fact key={key} name={key} field={value !== null && typeof value !== 'object' ? 'data' : undefined} path={[key]} value={String(value)} onTerm={onTerm}>
          {key === 'explanation' && typeof value === 'string' ? <span lang="en">{value}</span> : <Value value={value} unit={key === 'value' ? e.leaf.event_data?.unit : undefined} />}
        </Fact>
      ))}
      {context.map(([key, value]) => <Fact key={'c' + key} name={key}><Value value={value} /></Fact>)}
    </dl>
  )
}

/** One value of event_data: times in plant time, the measured value with its unit. */
function Value({ value, unit }: { value: Json; unit?: Json }) {
  const words = useWords()
  const at = typeof value === 'string' ? instant(value) : undefined
  if (typeof value === 'string' && at !== undefined) return <span title={value}>{words.fullTime(at)}</span>
  if (typeof value === 'number' && typeof unit === 'string') return <span title={String(value)}>{measure(value, unit, words.t.locale)}</span>
  return <span title={typeof value === 'number' ? String(value) : undefined}>{plain(value, words.t)}</span>
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
        {list.map((p, i) => <li key={i}><span className="mono">{p.field}</span> {said(p.reason, words.t.said)}</li>)}
      </ul>
    </section>
  )
}
