// Bundles of events (docs/formats/bundle.md), as far as a browser needs them: the
// file is whole, and what its leaves say of the keys of logs is taken only under the
// keys and witnesses of the trust file.

import { anchorOf, judge, keyLeaf, keysFor, Known, obey } from './anchor'
import { concat, equal, fromBase64, textOf, toBase64, toHex, utf8, type Bytes } from './bytes'
import type { Crypto } from './crypto'
import { idOf, makersOf, parseCheckpoint, parseNote, parseProof, type Named } from './note'
import type { Reason } from './reasons'
import { leafHash, rootOf } from './tree'
import { isOrigin, rangeOf, type KeyRange, type Trust } from './trust'
import type { Learned } from './verify'

export interface Entry { kind: string; words: string[]; body: Bytes }

const HEADER = 'linewatch-bundle@v1'
/** Bytes, and parts: an event's bundle has a proof and what bears out the keys of its log. */
const MAX = 32 << 20, MAX_PARTS = 1000
/** Bytes of one body. */
const MAX_ENTRY = (6 << 20) + 8
/** Words behind the kind; entries with one word have a body of that length. */
const kinds = new Map(Object.entries({ key: 4, cosigner: 2, summary: 1, proof: 1, basis: 1, frontier: 1, run: 1, hole: 1, segment: 1, checkpoint: 1 }))

/** Reads a bundle and checks its hash; a string is the code of what is wrong. */
export async function parseBundle(c: Crypto, data: Bytes): Promise<Entry[] | Reason> {
  if (data.length > MAX) return 'bundle_too_large'
  let at = 0
  const line = (): string | undefined => {
    const end = data.indexOf(10, at)
    if (end < 0 || end - at > 1023) return undefined
    const out = textOf(data.subarray(at, end))
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
    const fault = faultOf(kind, words, entries.length === 0)
    if (fault) return fault
    if (entries.length > MAX_PARTS) return 'bundle_too_large'
    if (words.length > 1) {
      entries.push({ kind, words, body: new Uint8Array() })
      continue
    }
    const length = /^(?:0|[1-9][0-9]{0,6})$/.test(words[0]!) ? Number(words[0]) : Infinity
    if (length > MAX_ENTRY || at + length >= data.length || data[at + length] !== 10) return 'bundle_entry_cut'
    entries.push({ kind, words, body: data.slice(at, at + length) })
    at += length + 1
  }
}

/** What is wrong with the line of an entry. */
function faultOf(kind: string, words: string[], first: boolean): Reason | '' {
  if (kinds.get(kind) !== words.length) return 'bundle_unknown_entry'
  if (first !== (kind === 'summary')) return 'bundle_summary'
  if (words.length === 1) return ''
  if (kind === 'key' && !isOrigin(words[0]!)) return 'bundle_log'
  if (fromBase64(words[1]!)?.length !== 32) return 'bundle_key'
  return kind === 'key' && !rangeOf(words[1]!, words[2]!, words[3]!) ? 'bundle_key_range' : ''
}

/** What the proofs of a bundle say of keys, whether anchored or not: it must agree with its own key entries. */
interface Claim { brought: KeyRange[]; registered?: string; changes: Map<bigint, string> }

/** What is known while a bundle is followed. */
class Follower {
  readonly known = new Known()
  readonly claims = new Map<string, Claim>()
  readonly cosigners: Named[] = []
  readonly confirmed = new Set<string>()
  /** Roots by log, size, and who says so: a key, or '' for the trust file. */
  private readonly heads = new Map<string, string>()

  constructor(readonly c: Crypto, readonly trust: Trust) {}

  claim(origin: string): Claim {
    const have = this.claims.get(origin) ?? { brought: [], changes: new Map<bigint, string>() }
    this.claims.set(origin, have)
    return have
  }

  /** Verifies one proof and obeys what it says of keys; returns why it does not hold. */
  async follow(text: Uint8Array): Promise<Reason | ''> {
    const { c, trust, known } = this
    const proof = parseProof(text)
    if (typeof proof === 'string') return proof
    const note = parseNote(proof.checkpoint)
    if (typeof note === 'string') return note
    const checkpoint = parseCheckpoint(note.text)
    if (typeof checkpoint === 'string') return checkpoint
    const { origin, size } = checkpoint
    if (!isOrigin(origin)) return 'bundle_log'
    const signed = { note, checkpoint }, own = this.claim(origin)
    const anchor = await anchorOf(c, signed, own.brought, trust, known)
    if (anchor.problem) return anchor.problem
    if (own.brought.length > 0 && await judge(c, signed, own.brought) !== 'good') return 'basis_other_key'
    const makers = await makersOf(c, note, origin, await keysFor(c, origin, own.brought, trust, known), [...this.cosigners, ...trusted(trust)])
    if (!makers) return 'bundle_line'
    for (const maker of makers) this.confirmed.add(maker)
    for (const who of anchor.by ? [...makers, ''] : makers) if (!this.oneHistory(`${origin}\n${size}\n${who}`, toBase64(checkpoint.root))) return 'two_histories'
    const root = await rootOf(c, await leafHash(c, proof.leaf), proof.index, size, proof.hashes)
    if (!root || !equal(root, checkpoint.root)) return 'basis_root'
    const leaf = keyLeaf(proof.leaf, origin)
    if (!leaf) return ''
    const after = proof.index + 1n, about = this.claim(leaf.origin)
    if (leaf.registers) about.registered ??= leaf.key
    else about.changes.set(after, leaf.key)
    if (anchor.by) obey(known, leaf, after)
    return ''
  }

  private oneHistory(head: string, root: string): boolean {
    const known = this.heads.get(head) ?? root
    this.heads.set(head, known)
    return known === root
  }

  /** What the bundle claims and nothing in it shows. */
  settle(): Reason | '' {
    const names = this.cosigners.map(idOf)
    if (new Set(names).size < names.length || names.some(name => !this.confirmed.has(name))) return 'bundle_cosigner'
    for (const [origin, one] of this.claims) {
      const problem = settle(one, key => this.confirmed.has(idOf({ name: origin, key: fromBase64(key)! })))
      if (problem) return problem
    }
    return ''
  }
}

const trusted = (trust: Trust): Named[] => [...trust.cosigners, ...trust.witnesses].map(k => ({ name: k.name, key: fromBase64(k.key)! }))

/**
 * Follows the proofs of a bundle in their order: what the trust file anchors says
 * which keys logs have, by log.registered of a ledger and log.key of the log itself.
 */
export async function keysOf(c: Crypto, entries: Entry[], trust: Trust): Promise<Learned> {
  const f = new Follower(c, trust)
  for (const { kind, words, body } of entries) {
    if (kind === 'key') f.claim(words[0]!).brought.push(rangeOf(words[1]!, words[2]!, words[3]!)!)
    if (kind === 'cosigner') f.cosigners.push({ name: words[0]!, key: fromBase64(words[1]!)! })
    const problem = kind === 'basis' || kind === 'proof' ? await f.follow(body) : ''
    if (problem) return broken(problem)
  }
  const problem = f.settle()
  return problem ? broken(problem) : { known: f.known, problem: '' }
}

/** The ranges of a log's keys follow one another, and leaves or signatures bear each of them out. */
function settle({ brought, registered, changes }: Claim, used: (key: string) => boolean): Reason | '' {
  if (brought.length === 0) return '' // only leaves of other logs speak of it
  for (const [i, k] of brought.entries()) {
    const after = i > 0 ? brought[i - 1]!.last : 0n
    const last = i < brought.length - 1 ? brought[i + 1]!.after : 0n
    if (k.after !== after || k.last !== last || (i > 0 && after === 0n)) return 'keys_order'
    const shown = i === 0 ? registered : changes.get(after)
    if (shown !== undefined ? shown !== k.key : registered !== undefined || !used(k.key)) return 'keys_unproved'
  }
  for (const size of changes.keys()) if (!brought.some(k => k.after === size)) return 'keys_hidden'
  return ''
}

/** Nothing is learned of a bundle that does not hold. */
export const broken = (problem: Reason): Learned => ({ known: new Known(), problem })

/** The bytes of a bundle that came as text. */
export const bundleBytes = (text: string): Bytes => concat(utf8(text))
