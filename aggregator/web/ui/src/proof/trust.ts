// The trust file of this browser: keys that a person brought here, not the
// server. The same file as for linewatch-verify (docs/formats/proof.md).

import { fromBase64 } from './bytes'
import { inEnglish, type Fault, type Params, type Reason } from './reasons'

/** A station's key, by itself (base64) or by its fingerprint (hex SHA-256). */
export interface Pin { key?: string; fingerprint?: string }

/** A key (base64) signs sizes with after < size <= last; last 0 is open. */
export interface KeyRange { key: string; after: number; last: number }

/** A cosigner or witness; a cosignature that states a time (ms) after until counts nothing. */
export interface Cosigner { name: string; key: string; until?: number }

/** Evidence.anchor when the station's own key is trusted. */
export const STATION = 'station'
/** Evidence.anchor when the trusted ledger registered the log with this key. */
export const LEDGER = 'ledger'

export interface Trust {
  /** Whose word alone is enough. */
  cosigners: Cosigner[]
  /** Who must have seen an aggregator's ledger, and how many of them. */
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
const part = '[a-z0-9._-]+'
const agent = `(?:_aggregator/${part}|(?!_)${part})`
const instanceText = new RegExp(`^${part}$`)
const agentID = new RegExp(`^${agent}$`)
const originText = new RegExp(`^linewatch/${agent}/${part}/${part}$`)

/** Parses a trust file; a string says in English which line is wrong and why. One mistake refuses it. */
export function parseTrust(text: string, name: string): Trust | string {
  const trust = readTrust(text, name)
  return 'code' in trust ? inEnglish(trust) : trust
}

/** As parseTrust, with the mistake as a code. */
export function readTrust(text: string, name: string): Trust | Fault {
  if (text.length > MAX_TRUST) return { code: 'trust_too_large', params: {} }
  const trust: Trust = { cosigners: [], witnesses: [], quorum: 0, ledgers: new Map(), stations: new Map(), logs: new Map(), name }
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const [i, line] of lines.entries()) {
    if (i >= MAX_LINES || new TextEncoder().encode(line).length > MAX_LINE) return { code: i >= MAX_LINES ? 'trust_many_lines' : 'trust_long_line', params: { line: i + 1 } }
    const words = line.split(/\s+/).filter(Boolean)
    if (words.length === 0 || words[0]!.startsWith('#')) continue
    const problem = add(trust, words)
    if (problem) return { code: problem.code, params: { ...problem.params, line: i + 1 } }
  }
  trust.quorum ||= trust.witnesses.length
  if (trust.quorum > trust.witnesses.length) return { code: 'trust_quorum_witnesses', params: { quorum: trust.quorum, witnesses: trust.witnesses.length } }
  return trust.cosigners.length + trust.ledgers.size + trust.stations.size + trust.logs.size > 0 ? trust : { code: 'trust_empty', params: {} }
}

/** A size has one spelling: decimal, without leading zeros. */
export const isSize = (text: string): boolean => /^(?:0|[1-9]\d{0,14})$/.test(text)

const isKey = (text: string): boolean => fromBase64(text)?.length === 32

/** ms of "until 2026-01-02T03:04:05Z", UTC in whole seconds; undefined for anything else. */
function time(word: string, text: string): number | undefined {
  if (word !== 'until' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) return undefined
  const ms = Date.parse(text)
  return !Number.isNaN(ms) && new Date(ms).toISOString() === text.replace('Z', '.000Z') ? ms : undefined
}

const fault = (code: Reason, params: Params = {}): Fault => ({ code, params })

/** Takes one line; returns what is wrong with it. */
function add(trust: Trust, words: string[]): Fault | undefined {
  const [kind, name = '', key = ''] = words
  if ((kind === 'cosigner' || kind === 'witness') && (words.length === 3 || words.length === 5)) {
    if (!isKey(key)) return fault('trust_key')
    const until = words.length === 5 ? time(words[3]!, words[4]!) : undefined
    if (words.length === 5 && until === undefined) return fault('trust_until')
    if (kind === 'cosigner') {
      if (trust.cosigners.some(k => k.name === name && k.key === key && k.until !== until)) return fault('trust_cosigner_twice')
      trust.cosigners.push({ name, key, until })
    } else {
      if (trust.witnesses.some(w => w.name === name || w.key === key)) return fault('trust_witness_twice')
      trust.witnesses.push({ name, key, until })
    }
    return undefined
  }
  if (kind === 'quorum' && words.length === 2) {
    if (!/^[1-9][0-9]{0,3}$/.test(name) || trust.quorum) return fault('trust_quorum')
    trust.quorum = Number(name)
    return undefined
  }
  if (kind === 'ledger' && words.length === 3) {
    if (!instanceText.test(name)) return fault('trust_instance', { name })
    if (!isKey(key)) return fault('trust_key')
    trust.ledgers.set(name, [...(trust.ledgers.get(name) ?? []), key])
    return undefined
  }
  if (kind === 'station' && words.length === 3) {
    if (!agentID.test(name)) return fault('trust_agent', { name })
    const pin: Pin | undefined = /^[0-9a-fA-F]{64}$/.test(key) ? { fingerprint: key.toLowerCase() } : isKey(key) ? { key } : undefined
    if (!pin) return fault('trust_pin')
    trust.stations.set(name, [...(trust.stations.get(name) ?? []), pin])
    return undefined
  }
  if (kind === 'log' && words.length === 5) {
    if (!originText.test(name)) return fault('trust_origin', { name })
    if (!isKey(key)) return fault('trust_key')
    const [after, last] = [Number(words[3]), Number(words[4])]
    const whole = words.slice(3).every(isSize)
    if (!whole || (last !== 0 && last <= after)) return fault('trust_range')
    trust.logs.set(name, [...(trust.logs.get(name) ?? []), { key, after, last }])
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
