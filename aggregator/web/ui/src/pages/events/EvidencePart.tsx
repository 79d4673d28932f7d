import { IconAlertTriangle, IconCheck, IconRosetteDiscountCheck, IconRosette, IconX } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useRef, useState, type ReactNode } from 'react'
import { api, ApiError } from '../../api/client'
import type { Json, StoredEvent } from '../../api/types'
import { fill, useTexts, type Texts } from '../../i18n'
import { faultText } from '../../i18n/reason'
import { measure } from '../../i18n/sentence'
import { textOf, type Bytes } from '../../proof/bytes'
import { browserCrypto } from '../../proof/crypto'
import { forgetTrust, LEDGER, loadTrust, MAX_TRUST, readTrust, saveTrust, STATION, type Trust } from '../../proof/trust'
import type { Check, Evidence, Learned, Verdict } from '../../proof/verify'
import { save } from '../../ui/save'
import { explain, sentenceCase, useWords } from './words'

interface Checked { evidence: Evidence; proof: Bytes }

async function check(e: StoredEvent, signal: AbortSignal): Promise<Checked> {
  const [proof, log, crypto, { verifyEvent }] = await Promise.all([
    api.proof(e.leaf.id, e.stored.log, e.stored.index, signal), api.log(e.stored.log, signal), browserCrypto(), import('../../proof/verify'),
  ])
  const shown = { leaf: e.asSent ?? e.leaf as unknown as Json, raw: e.raw, log: e.stored.log, index: e.stored.index }
  const trust = loadTrust()
  const keys = log.keys ?? []
  // A change of the key counts by what bears it out, never by the server's list.
  const learned = trust && (trust.ledgers.size > 0 || keys.length > 1) ? await learnedFrom(e, trust, signal) : undefined
  const evidence = await verifyEvent(crypto, proof, shown, { origin: log.origin, keys, cosigners: log.cosigners ?? [] }, trust, learned)
  return { evidence, proof }
}

/** What the trusted ledger, and the log itself, say of the log's keys: it comes with the bundle. */
async function learnedFrom(e: StoredEvent, trust: Trust, signal: AbortSignal): Promise<Learned> {
  const [crypto, { broken, keysOf, parseBundle }] = await Promise.all([browserCrypto(), import('../../proof/bundle')])
  const file = await api.bundle(e.leaf.id, e.stored.log, e.stored.index, signal)
  const entries = await parseBundle(crypto, new Uint8Array(await file.arrayBuffer()))
  return typeof entries === 'string' ? broken(entries) : await keysOf(crypto, entries, trust)
}

function useEvidence(e: StoredEvent) {
  return useQuery({
    queryKey: ['evidence', e.stored.log, e.stored.index, e.leaf], queryFn: ({ signal }) => check(e, signal), staleTime: 300_000,
    queryKeyHashFn: () => `evidence ${e.stored.log} ${e.stored.index} ${JSON.stringify(e.leaf)}`,
  })
}

const verdictText = ({ verdict, anchor }: Evidence, t: Texts): string =>
  verdict === 'anchored' && anchor === LEDGER ? t.evidence.anchoredByLedger : verdict === 'anchored' && anchor !== STATION ? fill(t.evidence.anchoredBy, { name: anchor }) : t.evidence[verdict]

/** The verdict beside the title, where the evidence itself is further down. */
export function VerdictLine({ e }: { e: StoredEvent }) {
  const t = useTexts()
  const { data } = useEvidence(e)
  return data ? <p className="verdict-line" data-verdict={data.evidence.verdict}>{icons[data.evidence.verdict]}{verdictText(data.evidence, t)}</p> : null
}

/** The evidence of one event, checked in this browser. */
export function EvidencePart({ e }: { e: StoredEvent }) {
  const t = useTexts()
  const result = useEvidence(e)
  return (
    <section className="detail-part evidence" aria-busy={result.isPending}>
      <h3>{t.evidence.title}</h3>
      {result.isPending && <p className="late second">{t.evidence.checking}</p>}
      {result.isError && <Unavailable error={result.error} onRetry={() => void result.refetch()} />}
      {result.data && <Result {...result.data} e={e} />}
    </section>
  )
}

function Unavailable({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const t = useTexts()
  const none = error instanceof ApiError && error.status === 404
  // What was dropped after its time does not come back.
  if (error instanceof ApiError && error.status === 410) return <p className="small">{sentenceCase(explain(error, t))}</p>
  return (
    <p className="small">
      {fill(none ? t.evidence.waiting : t.evidence.unavailable, { detail: explain(error, t) })} <button className="link" onClick={onRetry}>{t.app.retry}</button>
    </p>
  )
}

const icons: Record<Verdict, ReactNode> = {
  anchored: <IconRosetteDiscountCheck size={22} stroke={1.7} aria-hidden="true" />,
  consistent: <IconRosette size={22} stroke={1.7} aria-hidden="true" />,
  broken: <IconAlertTriangle size={22} stroke={1.7} aria-hidden="true" />,
}

function Result({ evidence, proof, e }: Checked & { e: StoredEvent }) {
  const t = useTexts()
  const { verdict } = evidence
  const trust = loadTrust()
  const hint = { anchored: fill(t.evidence.anchoredHint, { name: trust?.name ?? '' }), consistent: t.evidence.consistentHint, broken: '' }[verdict]
  const name = `${e.leaf.id}.tlog-proof`
  return (
    <>
      <p className="verdict" data-verdict={verdict} role={verdict === 'broken' ? 'alert' : undefined}>{icons[verdict]}<strong>{verdictText(evidence, t)}</strong></p>
      {evidence.otherKey && <p className="small evidence-hint">{t.evidence.otherKey}</p>}
      {hint && <p className="second small evidence-hint">{hint}</p>}
      <ul className="checks" data-verdict={verdict}>{evidence.checks.map(c => <CheckLine key={c.name} c={c} />)}</ul>
      <p className="second small">
        {fill(t.evidence.took, { ms: measure(Math.max(1, Math.round(evidence.tookMs)), 'ms', t.locale), crypto: evidence.crypto })}{' '}
        <button className="link" onClick={() => save(new Blob([proof], { type: 'text/plain' }), name)}>{t.evidence.download}</button>{' '}
        <BundleButton e={e} />
      </p>
      <p className="second small">{t.evidence.offline.split('{file}')[0]}<span className="mono">{name}</span></p>
      <TrustChoice />
      <SignedText text={evidence.signedText} />
    </>
  )
}

/** Downloads the bundle of the event: its proof with everything that bears it out. */
function BundleButton({ e }: { e: StoredEvent }) {
  const t = useTexts()
  const [problem, setProblem] = useState('')
  const get = async () => {
    try {
      save(await api.bundle(e.leaf.id, e.stored.log, e.stored.index), `${e.leaf.id}.bundle`)
      setProblem('')
    } catch (error) {
      setProblem(explain(error, t))
    }
  }
  return <><button className="link" onClick={() => void get()}>{t.evidence.bundle}</button>{problem && <span role="alert"> {problem}</span>}</>
}

function fact(c: Check, t: Texts, time: (ms: number) => string): string {
  if (c.code) return fill(t.evidence.not, { reason: faultText({ code: c.code, params: c.params }, t) })
  const short = (key: string) => `${String(c.fact[key]).slice(0, 8)}…${key === 'key' ? String(c.fact[key]).slice(-4) : ''}`
  switch (c.name) {
    case 'station': return fill(t.evidence.stationFact, { key: short('key') })
    case 'tree': return fill(c.fact.hashes === 1 ? t.evidence.treeFactOne : t.evidence.treeFact, { hashes: c.fact.hashes!, root: short('root') })
    case 'cosigned': return fill(t.evidence.cosignedFact, { name: c.fact.name!, time: time(Number(c.fact.at)) })
    case 'text': return fill(t.evidence.textFact, { bytes: c.fact.bytes! })
  }
}

function CheckLine({ c }: { c: Check }) {
  const words = useWords()
  return (
    <li data-ok={c.ok}>
      {c.ok ? <IconCheck size={18} stroke={2} aria-hidden="true" /> : <IconX size={18} stroke={2} aria-hidden="true" />}
      <div>{words.t.evidence[c.name]}<small className="second" title={String(c.fact.key ?? c.fact.root ?? '')}>{fact(c, words.t, words.fullTime)}</small></div>
    </li>
  )
}

/** The file that anchors: brought by a person, kept in this browser. */
function TrustChoice() {
  const t = useTexts()
  const queries = useQueryClient()
  const input = useRef<HTMLInputElement>(null)
  const [problem, setProblem] = useState('')
  const again = () => void queries.invalidateQueries({ predicate: q => q.queryKey[0] === 'evidence' })
  const load = async (file: File | undefined) => {
    if (!file) return
    const bytes = new Uint8Array(await file.slice(0, 4 * MAX_TRUST + 4).arrayBuffer()) // a character has 4 bytes at most
    const trust = readTrust(bytes, file.name)
    if ('code' in trust) { setProblem(fill(t.evidence.badTrust, { reason: faultText(trust, t) })); return }
    try {
      saveTrust(textOf(bytes)!, file.name)
    } catch {
      setProblem(t.evidence.notKept)
      return
    }
    setProblem('')
    again()
  }
  return (
    <p className="trust small">
      <input ref={input} type="file" accept=".txt,.trust,text/plain" hidden aria-label={t.evidence.load}
        onChange={e => { void load(e.target.files?.[0]); e.target.value = '' }} /* the same file again, once it was mended, is a change too */ />
      {loadTrust()
        ? <button className="link" onClick={() => { forgetTrust(); again() }}>{t.evidence.forget}</button>
        : <button className="link" onClick={() => input.current?.click()}>{t.evidence.load}</button>}
      {problem && <span role="alert"> {problem}</span>}
    </p>
  )
}

function SignedText({ text }: { text: string }) {
  const t = useTexts()
  const [open, setOpen] = useState(false)
  if (!text) return null
  return (
    <>
      <p className="small"><button className="link" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? t.detail.hideText : t.detail.showText}</button></p>
      {open && <pre className="signed mono" tabIndex={0} aria-label={t.detail.text}>{text}</pre>}
    </>
  )
}
