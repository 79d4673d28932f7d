// Bundles of events (docs/formats/bundle.md), as far as a browser needs them: the
// file is whole, and what its leaves say of the keys of logs is taken only under the
// keys and witnesses of the trust file.

import { anchorOf, judge, keyLeaf, Known, obey } from './anchor'
import { concat, equal, toHex, utf8, type Bytes } from './bytes'
import type { Crypto } from './crypto'
import { parseCheckpoint, parseNote, parseProof } from './note'
import type { Reason } from './reasons'
import { leafHash, rootOf } from './tree'
import { isSize, type KeyRange, type Trust } from './trust'
import type { Learned } from './verify'

export interface Entry { kind: string; words: string[]; body: string }

const HEADER = 'linewatch-bundle@v1'
const MAX = 32 << 20
/** Words behind the kind; entries with one word have a body of that length. */
const kinds: Record<string, number> = { key: 4, cosigner: 2, summary: 1, proof: 1, basis: 1, frontier: 1, run: 1, hole: 1, segment: 1, checkpoint: 1 }

/** Reads a bundle and checks its hash; a string is the code of what is wrong. */
export async function parseBundle(c: Crypto, data: Bytes): Promise<Entry[] | Reason> {
  if (data.length > MAX) return 'bundle_too_large'
  const text = new TextDecoder()
  let at = 0
  const line = (): string | undefined => {
    const end = data.indexOf(10, at)
    if (end < 0 || end - at > 1023) return undefined
    const out = text.decode(data.subarray(at, end))
    at = end + 1
    return out
  }
  if (line() !== HEADER) return 'bundle_none'
  const entries: Entry[] = []
  for (;;) {
    const start = at
    const words = line()?.split(' ')
    if (!words) return 'bundle_cut'
    const kind = words.shift()!
    if (kind === 'end') {
      const hash = toHex(await c.sha256(data.slice(0, start)))
      return words.length === 1 && words[0] === 'sha256:' + hash && at === data.length ? entries : 'bundle_hash'
    }
    if (kinds[kind] !== words.length) return 'bundle_unknown_entry'
    if (kind === 'key' && !words.slice(2).every(isSize)) return 'bundle_key_range'
    if (words.length > 1) {
      entries.push({ kind, words, body: '' })
      continue
    }
    const length = Number(words[0])
    if (!/^(?:0|[1-9][0-9]{0,7})$/.test(words[0]!) || at + length >= data.length || data[at + length] !== 10) return 'bundle_entry_cut'
    entries.push({ kind, words, body: text.decode(data.subarray(at, at + length)) })
    at += length + 1
  }
}

/** What the proofs of a bundle say of keys, whether anchored or not: it must agree with its own key entries. */
interface Claim { brought: KeyRange[]; registered?: string; changes: Map<number, string>; used: Set<string> }

/**
 * Follows the proofs of a bundle in their order: what the trust file anchors says
 * which keys logs have, by log.registered of a ledger and log.key of the log itself.
 */
export async function keysOf(c: Crypto, entries: Entry[], trust: Trust): Promise<Learned> {
  const known = new Known()
  const claims = new Map<string, Claim>()
  const claim = (origin: string): Claim => {
    const have = claims.get(origin) ?? { brought: [], changes: new Map<number, string>(), used: new Set<string>() }
    claims.set(origin, have)
    return have
  }
  for (const { kind, words, body } of entries) {
    if (kind === 'key') claim(words[0]!).brought.push({ key: words[1]!, after: Number(words[2]), last: Number(words[3]) })
    if (kind !== 'basis' && kind !== 'proof') continue
    const problem = await follow(c, body, trust, known, claim)
    if (problem) return broken(problem)
  }
  for (const one of claims.values()) {
    const problem = settle(one)
    if (problem) return broken(problem)
  }
  return { known, problem: '' }
}

/** Verifies one proof of a bundle and obeys what it says of keys; returns why it does not hold. */
async function follow(c: Crypto, text: string, trust: Trust, known: Known, claim: (origin: string) => Claim): Promise<Reason | ''> {
  const proof = parseProof(text)
  if (typeof proof === 'string') return proof
  const note = parseNote(proof.checkpoint)
  if (typeof note === 'string') return note
  const checkpoint = parseCheckpoint(note.text)
  if (typeof checkpoint === 'string') return checkpoint
  const { origin, size } = checkpoint
  const signed = { note, checkpoint }, own = claim(origin)
  const anchor = await anchorOf(c, signed, own.brought, trust, known)
  if (anchor.problem) return anchor.problem
  if (own.brought.length > 0 && await judge(c, signed, own.brought) !== 'good') return 'basis_other_key'
  for (const { key } of own.brought) if (await judge(c, signed, [{ key, after: 0, last: 0 }]) === 'good') own.used.add(key)
  const root = await rootOf(c, await leafHash(c, proof.leaf), proof.index, size, proof.hashes)
  if (!root || !equal(root, checkpoint.root)) return 'basis_root'
  const leaf = keyLeaf(proof.leaf, origin)
  const after = Number(proof.index) + 1
  if (!leaf || !Number.isSafeInteger(after)) return ''
  const about = claim(leaf.origin)
  if (leaf.registers) about.registered ??= leaf.key
  else about.changes.set(after, leaf.key)
  if (anchor.by) obey(known, leaf, after)
  return ''
}

/** The ranges of a log's keys follow one another, and leaves or signatures bear each of them out. */
function settle({ brought, registered, changes, used }: Claim): Reason | '' {
  if (brought.length === 0) return '' // only leaves of other logs speak of it
  for (const [i, k] of brought.entries()) {
    const after = i > 0 ? brought[i - 1]!.last : 0
    const last = i < brought.length - 1 ? brought[i + 1]!.after : 0
    if (k.after !== after || k.last !== last || (i > 0 && after === 0)) return 'keys_order'
    const shown = i === 0 ? registered : changes.get(after)
    if (shown !== undefined ? shown !== k.key : registered !== undefined || !used.has(k.key)) return 'keys_unproved'
  }
  for (const size of changes.keys()) if (!brought.some(k => k.after === size)) return 'keys_hidden'
  return ''
}

/** Nothing is learned of a bundle that does not hold. */
export const broken = (problem: Reason): Learned => ({ known: new Known(), problem })

/** The bytes of a bundle that came as text. */
export const bundleBytes = (text: string): Bytes => concat(utf8(text))
