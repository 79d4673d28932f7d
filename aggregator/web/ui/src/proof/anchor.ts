// Whose word stands behind a note: the keys of the trust file, and what anchored
// leaves say of the keys of logs. As open.go and learn.go of shared/evidence/bundle;
// both pass the vectors in its testdata.

import { fromBase64, textOf, toHex, type Bytes } from './bytes'
import type { Crypto } from './crypto'
import { cosignedAt, signedBy, type Checkpoint, type Note } from './note'
import { profileFault } from './profile'
import type { Reason } from './reasons'
import { isOrigin, LEDGER, STATION, type KeyRange, type Trust } from './trust'

/** A parsed note with its checkpoint; nothing of it is verified yet. */
export interface Signed { note: Note; checkpoint: Checkpoint }

/** What leaves under anchored checkpoints say of the keys of logs, by origin. */
export class Known {
  /** By log.registered of a ledger, up to the log's first change of its key. */
  readonly registered = new Map<string, KeyRange[]>()
  /** By log.key of the log itself. */
  readonly vouched = new Map<string, KeyRange[]>()
  /** Size of the first such change. */
  readonly changed = new Map<string, bigint>()
}

/** by: STATION, LEDGER, the name of a cosigner, or '' for nobody; problem: why it does not hold. */
export interface Anchor { by: string; problem: Reason | '' }

export const covers = (k: KeyRange, size: bigint): boolean => size > k.after && (k.last === 0n || size <= k.last)

/** What the signatures of these keys say: a good one in its range counts, a forged one spoils all. */
export async function judge(c: Crypto, s: Signed, keys: readonly KeyRange[]): Promise<'good' | 'forged' | 'range' | 'none'> {
  let out: 'good' | 'range' | 'none' = 'none'
  for (const k of keys) {
    const key = fromBase64(k.key)
    if (key?.length !== 32) continue
    const found = await signedBy(c, s.note, s.checkpoint.origin, key)
    if (found === 'bad') return 'forged'
    if (found === 'none') continue
    if (covers(k, s.checkpoint.size)) out = 'good'
    else if (out === 'none') out = 'range'
  }
  return out
}

/** Who of the trust file stands behind a note; brought are the keys that came with the evidence. */
export async function anchorOf(c: Crypto, s: Signed, brought: readonly KeyRange[], trust: Trust, known: Known): Promise<Anchor> {
  // An aggregator's own log counts only when enough witnesses saw it.
  const seen = instanceOf(s.checkpoint.origin) === undefined || await witnessed(c, s.note, trust)
  for (const source of await sources(c, s.checkpoint.origin, brought, trust, known)) {
    const found = await judge(c, s, source.keys)
    if (found === 'good') {
      if (seen) return { by: source.by, problem: '' }
    } else if (found === 'forged') return { by: '', problem: 'trusted_bad_signature' }
    else if (found === 'range') return { by: '', problem: 'key_out_of_range' }
    else if (source.only) return { by: '', problem: 'trusted_other_key' }
  }
  for (const { name, key, until } of seen ? trust.cosigners : []) {
    if (await cosignedAt(c, s.note, name, fromBase64(key)!, until) !== undefined) return { by: name, problem: '' }
  }
  return { by: '', problem: '' }
}

const instanceOf = (origin: string): string | undefined => /^linewatch\/_aggregator\/([^/]+)\//.exec(origin)?.[1]

/** linewatch/<agent>/<class>/<log>; the agent of an aggregator's own log is _aggregator/<instance>. */
export const agentOf = (origin: string): string => origin.split('/').slice(1, -2).join('/')

async function witnessed(c: Crypto, note: Note, trust: Trust): Promise<boolean> {
  const names = new Set<string>() // one with two keys is one
  for (const w of trust.witnesses) if (await cosignedAt(c, note, w.name, fromBase64(w.key)!, w.until) !== undefined) names.add(w.name)
  return names.size >= trust.quorum
}

/** The keys that a line under the log's name may be of. */
export async function keysFor(c: Crypto, origin: string, brought: readonly KeyRange[], trust: Trust, known: Known): Promise<Bytes[]> {
  const all = [...brought, ...(await sources(c, origin, brought, trust, known)).flatMap(s => s.keys)]
  return [...new Set(all.map(k => k.key))].map(key => fromBase64(key)!)
}

interface Source { by: string; keys: KeyRange[]; only?: boolean }

/** The keys that may anchor a log, the most certain first; only: nothing else may. */
async function sources(c: Crypto, origin: string, brought: readonly KeyRange[], trust: Trust, known: Known): Promise<Source[]> {
  const pinned = trust.logs.get(origin)
  const list: Source[] = pinned ? [{ by: STATION, keys: pinned, only: true }] : []
  const vouched = known.vouched.get(origin) ?? []
  const until = known.changed.get(origin)
  const upTo = (keys: KeyRange[]): KeyRange[] => until === undefined ? keys : closed(keys, until)
  const instance = instanceOf(origin)
  if (instance !== undefined) {
    const keys = (trust.ledgers.get(instance) ?? []).map(key => ({ key, after: 0n, last: 0n }))
    return [...list, { by: LEDGER, keys: [...upTo(keys), ...vouched] }]
  }
  const pins = trust.stations.get(agentOf(origin)) ?? []
  const prints = await Promise.all(brought.map(async k => toHex(await c.sha256(fromBase64(k.key) ?? new Uint8Array()))))
  const keys = pins.flatMap(pin => {
    // What the evidence says of the range of a pinned key can only narrow it.
    const at = brought.findIndex((k, i) => k.key === pin.key || prints[i] === pin.fingerprint)
    return at >= 0 ? [brought[at]!] : pin.key !== undefined ? [{ key: pin.key, after: 0n, last: 0n }] : []
  })
  return [
    ...list,
    { by: STATION, keys: pins.length > 0 ? [...upTo(keys), ...vouched] : [] },
    { by: LEDGER, keys: [...known.registered.get(origin) ?? [], ...vouched] },
  ]
}

/** Ends the open ranges at a size. */
const closed = (keys: readonly KeyRange[], last: bigint): KeyRange[] =>
  keys.filter(k => k.after < last).map(k => k.last === 0n || k.last > last ? { ...k, last } : k)

/** What a leaf says of a key: of log.registered the first of a log, of log.key the next one of its own log. */
export interface KeyLeaf { registers: boolean; origin: string; key: string }

/** Reads a leaf about keys in the log with this origin; undefined for any other. */
export function keyLeaf(leaf: Bytes, origin: string): KeyLeaf | undefined {
  if (profileFault(leaf)) return undefined
  const text = textOf(leaf)!
  const e = JSON.parse(text) as { event_type?: unknown; source?: { kind?: unknown } | null; event_data?: Record<string, unknown> | null }
  const { event_type: type, event_data: data } = e
  if ((type !== 'log.registered' && type !== 'log.key') || !text.includes(`"${type}"`) || typeof data !== 'object' || data === null) return undefined
  const { origin: of, publicKey: key } = data
  // Names that other programs might take for these are refused, as in Go.
  if (Object.keys(data).some(name => /^(?:origin|publickey)$/iu.test(name) && name !== 'origin' && name !== 'publicKey')) return undefined
  if (typeof of !== 'string' || !isOrigin(of) || typeof key !== 'string' || fromBase64(key)?.length !== 32) return undefined
  // What programs handed in over HTTP is in the ledger too, and says nothing of keys.
  const own = instanceOf(origin) !== undefined
  if (own && e.source?.kind !== 'aggregator') return undefined
  if (type === 'log.registered' ? !own : of !== origin) return undefined
  return { registers: type === 'log.registered', origin: of, key }
}

/** Obeys a leaf about keys that is anchored, in whatever order such leaves come; sizes up to size belong to the keys before it. */
export function obey(known: Known, leaf: KeyLeaf, size: bigint): void {
  const { origin, key } = leaf
  const registered = known.registered.get(origin), vouched = known.vouched.get(origin) ?? []
  if (leaf.registers) {
    const first = [{ key, after: 0n, last: 0n }], changed = known.changed.get(origin)
    if (!registered) known.registered.set(origin, changed === undefined ? first : closed(first, changed)) // a log is registered once
    return
  }
  if (vouched.some(k => k.after === size)) return
  if (registered) known.registered.set(origin, closed(registered, size))
  const keys = [...vouched, { key, after: size, last: 0n }].sort((a, b) => a.after < b.after ? -1 : 1)
  known.vouched.set(origin, keys.map((k, i) => ({ ...k, last: keys[i + 1]?.after ?? 0n })))
  known.changed.set(origin, keys[0]!.after)
}
