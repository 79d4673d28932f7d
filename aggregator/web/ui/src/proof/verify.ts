// The evidence of one event, checked in this browser: nothing that the server
// says about the event is believed, only what the signatures cover.

import type { Json } from '../api/types'
import { agentOf, anchorOf, covers, Known, type Anchor, type Signed } from './anchor'
import { fromBase64, textOf, toBase64, toHex, type Bytes } from './bytes'
import type { Crypto } from './crypto'
import { cosignedTimes, parseCheckpoint, parseNote, parseProof, signedBy, type Proof } from './note'
import { profileFault } from './profile'
import { inEnglish, type Params, type Reason } from './reasons'
import { leafHash, rootOf } from './tree'
import { isOrigin, STATION, type KeyRange, type Trust } from './trust'

export type CheckName = 'station' | 'tree' | 'cosigned' | 'text'

/** One of the four checks. `fact` fills the second line of it. */
export interface Check {
  name: CheckName
  ok: boolean
  /** Not ok, but nothing is wrong with the evidence: it says less than it could. */
  weak?: boolean
  /** Why not, in English; empty when ok. */
  reason: string
  /** The same for other languages: the code of the reason, and what its text names. */
  code: Reason | ''
  params: Params
  fact: Record<string, string | number>
}

const passed = (name: CheckName, fact: Check['fact']): Check => ({ name, ok: true, reason: '', code: '', params: {}, fact })

const failed = (name: CheckName, code: Reason, fact: Check['fact'] = {}, params: Params = {}): Check =>
  ({ name, ok: false, reason: inEnglish({ code, params }), code, params, fact })

/** anchored: a key of the trust file of this browser says so. */
export type Verdict = 'anchored' | 'consistent' | 'broken'

export interface Evidence {
  verdict: Verdict
  checks: Check[]
  /** The signed text, for showing. */
  signedText: string
  /** hex SHA-256 of the station's key. */
  fingerprint: string
  /** Who of the trust file says so: the station itself, or a cosigner by name; '' for nobody. */
  anchor: string
  /** The trust file names this station, but with another key. */
  otherKey: boolean
  crypto: string
  tookMs: number
}

export interface Keys {
  /** Origin of the log in which the event should be. */
  origin: string
  keys: { key: string; after: number | bigint; last: number | bigint }[]
  cosigners: { name: string; key: string }[]
}

/** What the bundle of the event says of keys: see keysOf. */
export interface Learned {
  known: Known
  /** Why the bundle does not hold; '' when it does. */
  problem: Reason | ''
}

interface Opened extends Signed { proof: Proof }

/** The event as the page shows it; raw is base64 of a leaf that is shown as it came. */
export interface Shown { leaf?: Json; raw?: string; log: string; index: number }

/**
 * Checks a tlog-proof of the event that the page shows.
 * @param shown undefined checks the proof alone
 * @param learned what the event's bundle bears out of the keys of its log, by the trust file
 */
export async function verifyEvent(
  c: Crypto, text: string | Uint8Array, shown: Shown | undefined, keys: Keys, trust: Trust | undefined,
  learned?: Learned,
): Promise<Evidence> {
  const started = performance.now()
  const opened = open(text, keys.origin)
  const brought: KeyRange[] = keys.keys.map(k => ({ key: k.key, after: BigInt(k.after), last: BigInt(k.last) }))
  if (typeof opened === 'string') return damaged(opened, c, started)
  const { origin } = opened.checkpoint
  // A log that the trust file pins is judged by its keys alone, not by the server's.
  const pinnedLog = trust?.logs.get(origin)
  const station = await checkStation(c, opened, pinnedLog ?? brought)
  const anchor: Anchor = trust ? await anchorOf(c, opened, brought, trust, learned?.known ?? new Known()) : { by: '', problem: '' }
  const problem = learned?.problem || anchor.problem
  if (problem && station.check.ok) station.check = failed('station', problem)
  const checks = [station.check, await checkTree(c, opened), await checkCosigned(c, opened, keys, trust), checkText(opened, shown)]
  const pins = pinnedLog ? undefined : trust?.stations.get(agentOf(origin))
  const whole = checks.every(check => check.ok || check.weak)
  return {
    verdict: !whole ? 'broken' : anchor.by ? 'anchored' : 'consistent', anchor: whole ? anchor.by : '',
    checks, fingerprint: station.key ? toHex(await c.sha256(station.key)) : '',
    otherKey: pins !== undefined && station.key !== undefined && anchor.by !== STATION,
    crypto: c.name, tookMs: performance.now() - started, signedText: new TextDecoder('utf-8', { ignoreBOM: true }).decode(opened.proof.leaf),
  }
}

function open(text: string | Uint8Array, origin: string): Opened | Reason {
  const proof = parseProof(text)
  if (typeof proof === 'string') return proof
  const note = parseNote(proof.checkpoint)
  if (typeof note === 'string') return note
  const checkpoint = parseCheckpoint(note.text)
  if (typeof checkpoint === 'string') return checkpoint
  if (checkpoint.origin !== origin || !isOrigin(origin)) return 'proof_other_log'
  return { proof, note, checkpoint }
}

function damaged(code: Reason, c: Crypto, started: number): Evidence {
  const names: CheckName[] = ['station', 'tree', 'cosigned', 'text']
  return {
    verdict: 'broken', checks: names.map(name => failed(name, code)), signedText: '',
    fingerprint: '', anchor: '', otherKey: false, crypto: c.name, tookMs: performance.now() - started,
  }
}

async function checkStation(c: Crypto, o: Opened, keys: readonly KeyRange[]): Promise<{ check: Check; key: Bytes | undefined }> {
  const size = o.checkpoint.size
  const refused = (code: Reason) => ({ check: failed('station', code), key: undefined })
  let good: Bytes | undefined, outside = false
  for (const k of keys) {
    const key = fromBase64(k.key)
    if (!key || key.length !== 32) continue
    const signed = await signedBy(c, o.note, o.checkpoint.origin, key)
    // A line of a known key that does not verify is damage, even beside a good one.
    if (signed === 'bad') return refused('station_bad_signature')
    if (signed === 'none') continue
    if (covers(k, size)) good ??= key
    else outside = true
  }
  if (!good) return refused(outside ? 'key_out_of_range' : 'station_unknown_key')
  return { check: passed('station', { key: toHex(await c.sha256(good)) }), key: good }
}

async function checkTree(c: Crypto, o: Opened): Promise<Check> {
  const { proof, checkpoint } = o
  const root = await rootOf(c, await leafHash(c, proof.leaf), proof.index, checkpoint.size, proof.hashes)
  const fact = {
    hashes: proof.hashes.length, root: toHex(checkpoint.root), index: Number(proof.index), size: Number(checkpoint.size),
  }
  return root !== undefined && toHex(root) === fact.root ? passed('tree', fact) : failed('tree', 'root_differs', fact)
}

/** A key of the trust file counts until the time that stands there, under whatever name the server offers it. */
const untilOf = (trust: Trust | undefined, key: string): number =>
  Math.min(Infinity, ...[...trust?.cosigners ?? [], ...trust?.witnesses ?? []].filter(k => k.key === key).map(k => k.until ?? Infinity))

async function checkCosigned(c: Crypto, o: Opened, keys: Keys, trust: Trust | undefined): Promise<Check> {
  let late: Check | undefined
  for (const { name, key: text } of [...keys.cosigners, ...trust?.cosigners ?? []]) {
    const key = fromBase64(text)
    if (!key || key.length !== 32) continue
    const times = await cosignedTimes(c, o.note, name, key), until = untilOf(trust, text)
    const at = times.find(time => time <= until)
    if (at !== undefined) return passed('cosigned', { name, at })
    if (times.length > 0) late ??= { ...failed('cosigned', 'cosigner_late', {}, { name, until: new Date(until).toISOString().replace('.000', '') }), weak: true }
  }
  return late ?? failed('cosigned', 'cosigner_none')
}

function checkText(o: Opened, shown: Shown | undefined): Check {
  const fact = { bytes: o.proof.leaf.length }
  const result = (code: Reason | '', params: Params = {}): Check => code ? failed('text', code, fact, params) : passed('text', fact)
  if (!shown) return result('')
  if (BigInt(shown.index) !== o.proof.index || !o.checkpoint.origin.endsWith('/' + shown.log)) return result('proof_other_place')
  if (shown.raw !== undefined) return result(shown.raw === toBase64(o.proof.leaf) ? '' : 'text_differs')
  // JSON.parse takes the last of two equal keys, other programs the first.
  const fault = profileFault(o.proof.leaf)
  if (fault) return result('text_ambiguous', { fault: fault.reason, offset: fault.offset })
  try {
    return result(same(JSON.parse(textOf(o.proof.leaf)!) as Json, shown.leaf!) ? '' : 'text_differs')
  } catch {
    return result('text_no_json')
  }
}

/** Equal as JSON values; the order of keys does not count. */
export function same(a: Json, b: Json): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((v, i) => same(v, b[i]!))
  }
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(k => Object.hasOwn(b, k) && same(a[k]!, b[k]!))
}
