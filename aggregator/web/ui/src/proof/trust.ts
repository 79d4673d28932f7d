// The trust file of this browser: keys that a person brought here, not the
// server. The same file as for linewatch-verify (docs/formats/proof.md).

import { fromBase64, isName, textOf, utf8, whole } from './bytes'
import { inEnglish, type Fault, type Params, type Reason } from './reasons'

/** A station's key, by itself (base64) or by its fingerprint (hex SHA-256). */
export interface Pin { key?: string; fingerprint?: string }

/** A key (base64) signs sizes with after < size <= last; last 0 is open. */
export interface KeyRange { key: string; after: bigint; last: bigint }

/** A key of a cosigner or witness, who may have had several; a cosignature that states a time (ms) after until counts nothing. */
export interface Cosigner { name: string; key: string; until?: number }

/** Evidence.anchor when the station's own key is trusted. */
export const STATION = 'station'
/** Evidence.anchor when the trusted ledger registered the log with this key. */
export const LEDGER = 'ledger'

export interface Trust {
  /** Whose word alone is enough. */
  cosigners: Cosigner[]
  /** Who must have seen an aggregator's ledger, and how many of them, counted by name. */
  witnesses: Cosigner[]
  quorum: number
  /** Keys of an aggregator's own logs, by instance. */
  ledgers: Map<string, string[]>
  /** By agent id. */
  stations: Map<string, Pin[]>
  /** By origin; nothing else may sign such a log. */
  logs: Map<string, KeyRange[]>
  /** Name of the file, for showing. */
  name: string
}

const STORE = 'linewatch.trust'
const MAX_LINE = 1023 // bytes
const MAX_LINES = 10_000
/** Characters of a file that this browser takes. */
export const MAX_TRUST = 1_000_000
const part = /^(?!\.\.?$)[a-z0-9._-]{1,64}$/

const isPart = (text: string): boolean => part.test(text)

/** The id of a station's agent. */
const isAgent = (text: string): boolean => isPart(text) && !text.startsWith('_')

/** Whether a text is linewatch/<agent>/<class>/<log>, or linewatch/_aggregator/<instance>/<class>/<log>: an aggregator's own. */
export function isOrigin(text: string): boolean {
  const [first, agent = '', ...rest] = text.split('/')
  return first === 'linewatch' && rest.every(isPart) && (agent === '_aggregator' ? rest.length === 3 : isAgent(agent) && rest.length === 2)
}

/** A key with its sizes; undefined when they are none. */
export function rangeOf(key: string, from: string, to: string): KeyRange | undefined {
  const after = whole(from), last = whole(to)
  return after === undefined || last === undefined || (last !== 0n && last <= after) ? undefined : { key, after, last }
}

/** Parses a trust file; a string says in English which line is wrong and why. One mistake refuses it. */
export function parseTrust(file: string | Uint8Array, name: string): Trust | string {
  const trust = readTrust(file, name)
  return 'code' in trust ? inEnglish(trust) : trust
}

/** As parseTrust, with the mistake as a code. */
export function readTrust(file: string | Uint8Array, name: string): Trust | Fault {
  if (file.length > 4 * MAX_TRUST) return { code: 'trust_too_large', params: {} }
  const text = (typeof file === 'string' ? file : textOf(file))?.replace(/^\ufeff/, '') // editors write this mark
  if (text === undefined) return { code: 'trust_characters', params: {} }
  if (text.length > MAX_TRUST) return { code: 'trust_too_large', params: {} }
  const trust: Trust = { cosigners: [], witnesses: [], quorum: 0, ledgers: new Map(), stations: new Map(), logs: new Map(), name }
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const [i, line] of lines.entries()) {
    if (i >= MAX_LINES || utf8(line).length > MAX_LINE) return { code: i >= MAX_LINES ? 'trust_many_lines' : 'trust_long_line', params: { line: i + 1 } }
    const words = line.replace(/\r$/, '').split(/[ \t]+/).filter(Boolean)
    if (words.length === 0 || words[0]!.startsWith('#')) continue
    const problem = add(trust, words)
    if (problem) return { code: problem.code, params: { ...problem.params, line: i + 1 } }
  }
  const witnesses = new Set(trust.witnesses.map(w => w.name)).size
  trust.quorum ||= witnesses
  if (trust.quorum > witnesses) return { code: 'trust_quorum_witnesses', params: { quorum: trust.quorum, witnesses } }
  return trust.cosigners.length + trust.ledgers.size + trust.stations.size + trust.logs.size > 0 ? trust : { code: 'trust_empty', params: {} }
}

const isKey = (text: string): boolean => fromBase64(text)?.length === 32

/** ms of "until 2026-01-02T03:04:05Z", UTC in whole seconds; undefined for anything else. */
function time(word: string, text: string): number | undefined {
  if (word !== 'until' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) return undefined
  const ms = Date.parse(text)
  return !Number.isNaN(ms) && ms >= 0 && new Date(ms).toISOString() === text.replace('Z', '.000Z') ? ms : undefined
}

const fault = (code: Reason, params: Params = {}): Fault => ({ code, params })

/** Takes one line; returns what is wrong with it. */
function add(trust: Trust, words: string[]): Fault | undefined {
  const [kind, name = '', key = ''] = words
  if ((kind === 'cosigner' || kind === 'witness') && (words.length === 3 || words.length === 5)) {
    if (!isName(name)) return fault('trust_name', { name })
    if (!isKey(key)) return fault('trust_key')
    const until = words.length === 5 ? time(words[3]!, words[4]!) : undefined
    if (words.length === 5 && until === undefined) return fault('trust_until')
    if (kind === 'cosigner') {
      if (trust.cosigners.some(k => k.key === key && (k.name !== name || k.until !== until))) return fault('trust_cosigner_twice')
      trust.cosigners.push({ name, key, until })
    } else {
      if (trust.witnesses.some(w => w.key === key)) return fault('trust_witness_twice')
      trust.witnesses.push({ name, key, until })
    }
    return undefined
  }
  if (kind === 'quorum' && words.length === 2) {
    const n = whole(name)
    if (!n || n > BigInt(MAX_LINES) || trust.quorum) return fault('trust_quorum')
    trust.quorum = Number(name)
    return undefined
  }
  if (kind === 'ledger' && words.length === 3) {
    if (!isPart(name)) return fault('trust_instance', { name })
    if (!isKey(key)) return fault('trust_key')
    trust.ledgers.set(name, [...(trust.ledgers.get(name) ?? []), key])
    return undefined
  }
  if (kind === 'station' && words.length === 3) {
    if (!isAgent(name)) return fault('trust_agent', { name })
    const pin: Pin | undefined = /^[0-9a-fA-F]{64}$/.test(key) ? { fingerprint: key.toLowerCase() } : isKey(key) ? { key } : undefined
    if (!pin) return fault('trust_pin')
    trust.stations.set(name, [...(trust.stations.get(name) ?? []), pin])
    return undefined
  }
  if (kind === 'log' && words.length === 5) {
    if (!isOrigin(name)) return fault('trust_origin', { name })
    if (!isKey(key)) return fault('trust_key')
    const range = rangeOf(key, words[3]!, words[4]!)
    if (!range) return fault('trust_range')
    trust.logs.set(name, [...(trust.logs.get(name) ?? []), range])
    return undefined
  }
  return fault('trust_line')
}

export function saveTrust(text: string, name: string): void {
  localStorage.setItem(STORE, JSON.stringify({ text, name }))
}

export const forgetTrust = (): void => localStorage.removeItem(STORE)

export function loadTrust(): Trust | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE) ?? 'null') as { text: string; name: string } | null
    const trust = kept && parseTrust(kept.text, kept.name)
    return trust && typeof trust !== 'string' ? trust : undefined
  } catch {
    return undefined // another program's value under our key
  }
}
