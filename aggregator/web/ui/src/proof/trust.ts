// The trust file of this browser: keys that a person brought here, not the
// server. The same file as for linewatch-verify (docs/formats/proof.md).

import { fromBase64 } from './bytes'

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
const part = '[a-z0-9._-]+'
const agent = `(?:_aggregator/${part}|(?!_)${part})`
const instanceText = new RegExp(`^${part}$`)
const agentID = new RegExp(`^${agent}$`)
const originText = new RegExp(`^linewatch/${agent}/${part}/${part}$`)

/** Parses a trust file; a string says which line is wrong and why. One mistake refuses it. */
export function parseTrust(text: string, name: string): Trust | string {
  const trust: Trust = { cosigners: [], witnesses: [], quorum: 0, ledgers: new Map(), stations: new Map(), logs: new Map(), name }
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const [i, line] of lines.entries()) {
    if (i >= MAX_LINES || new TextEncoder().encode(line).length > MAX_LINE) return `line ${i + 1}: ${i >= MAX_LINES ? 'too many lines' : 'it is too long'}`
    const words = line.split(/\s+/).filter(Boolean)
    if (words.length === 0 || words[0]!.startsWith('#')) continue
    const problem = add(trust, words)
    if (problem) return `line ${i + 1}: ${problem}`
  }
  trust.quorum ||= trust.witnesses.length
  if (trust.quorum > trust.witnesses.length) return `the quorum is ${trust.quorum}, but only ${trust.witnesses.length} witnesses are named`
  return trust.cosigners.length + trust.ledgers.size + trust.stations.size + trust.logs.size > 0 ? trust : 'it names no key'
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

function add(trust: Trust, words: string[]): string {
  const [kind, name = '', key = ''] = words
  if ((kind === 'cosigner' || kind === 'witness') && (words.length === 3 || words.length === 5)) {
    if (!isKey(key)) return 'the key is no Ed25519 key in base64'
    const until = words.length === 5 ? time(words[3]!, words[4]!) : undefined
    if (words.length === 5 && until === undefined) return 'behind the key there may be: until 2026-01-02T03:04:05Z'
    if (kind === 'cosigner') {
      if (trust.cosigners.some(k => k.name === name && k.key === key && k.until !== until)) return 'this cosigner’s key is there already, until another time'
      trust.cosigners.push({ name, key, until })
    } else {
      if (trust.witnesses.some(w => w.name === name || w.key === key)) return 'a witness with this name or key is there already'
      trust.witnesses.push({ name, key, until })
    }
    return ''
  }
  if (kind === 'quorum' && words.length === 2) {
    if (!/^[1-9][0-9]{0,3}$/.test(name) || trust.quorum) return 'the quorum is no number of witnesses, or a second one'
    trust.quorum = Number(name)
    return ''
  }
  if (kind === 'ledger' && words.length === 3) {
    if (!instanceText.test(name)) return `“${name}” is no instance of an aggregator`
    if (!isKey(key)) return 'the key is no Ed25519 key in base64'
    trust.ledgers.set(name, [...(trust.ledgers.get(name) ?? []), key])
    return ''
  }
  if (kind === 'station' && words.length === 3) {
    if (!agentID.test(name)) return `“${name}” is no agent id`
    const pin: Pin | undefined = /^[0-9a-fA-F]{64}$/.test(key) ? { fingerprint: key.toLowerCase() } : isKey(key) ? { key } : undefined
    if (!pin) return 'this is neither a key nor a fingerprint'
    trust.stations.set(name, [...(trust.stations.get(name) ?? []), pin])
    return ''
  }
  if (kind === 'log' && words.length === 5) {
    if (!originText.test(name)) return `“${name}” is no origin`
    if (!isKey(key)) return 'the key is no Ed25519 key in base64'
    const [after, last] = [Number(words[3]), Number(words[4])]
    const whole = words.slice(3).every(isSize)
    if (!whole || (last !== 0 && last <= after)) return 'the sizes are no range'
    trust.logs.set(name, [...(trust.logs.get(name) ?? []), { key, after, last }])
    return ''
  }
  return 'it should be: ledger INSTANCE KEY, witness NAME KEY [until TIME], quorum NUMBER, cosigner NAME KEY [until TIME], station AGENT KEY-OR-FINGERPRINT, or log ORIGIN KEY AFTER LAST'
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
