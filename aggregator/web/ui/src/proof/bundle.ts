// Bundles of events (docs/formats/bundle.md), as far as a browser needs them: the
// file is whole, and what the aggregator's ledger says of a log is taken only under
// the keys and witnesses of the trust file.

import { concat, equal, fromBase64, toHex, utf8, type Bytes } from './bytes'
import type { Crypto } from './crypto'
import { parseCheckpoint, parseNote, parseProof } from './note'
import { leafHash, rootOf } from './tree'
import type { Trust } from './trust'
import { ledgerHolds } from './verify'

export interface Entry { kind: string; words: string[]; body: string }

const HEADER = 'linewatch-bundle@v1'
const MAX = 32 << 20
/** Words behind the kind; entries with one word have a body of that length. */
const kinds: Record<string, number> = { key: 4, cosigner: 2, summary: 1, proof: 1, basis: 1, frontier: 1, run: 1, hole: 1, segment: 1, checkpoint: 1 }

/** Reads a bundle and checks its hash; a string says what is wrong. */
export async function parseBundle(c: Crypto, data: Bytes): Promise<Entry[] | string> {
  if (data.length > MAX) return 'the bundle is too large for a browser'
  const text = new TextDecoder()
  let at = 0
  const line = (): string | undefined => {
    const end = data.indexOf(10, at)
    if (end < 0 || end - at > 1023) return undefined
    const out = text.decode(data.subarray(at, end))
    at = end + 1
    return out
  }
  if (line() !== HEADER) return 'this is no bundle'
  const entries: Entry[] = []
  for (;;) {
    const start = at
    const words = line()?.split(' ')
    if (!words) return 'the bundle is cut off'
    const kind = words.shift()!
    if (kind === 'end') {
      const hash = toHex(await c.sha256(data.slice(0, start)))
      return words.length === 1 && words[0] === 'sha256:' + hash && at === data.length ? entries : 'the bundle was changed or damaged: its hash differs'
    }
    if (kinds[kind] !== words.length) return 'the bundle has an entry that is none'
    if (words.length > 1) {
      entries.push({ kind, words, body: '' })
      continue
    }
    const length = Number(words[0])
    if (!/^(?:0|[1-9][0-9]{0,7})$/.test(words[0]!) || at + length >= data.length || data[at + length] !== 10) return 'an entry of the bundle is cut off'
    entries.push({ kind, words, body: text.decode(data.subarray(at, at + length)) })
    at += length + 1
  }
}

/** The first key of each log that an anchored ledger registered, base64 by origin. */
export async function registeredKeys(c: Crypto, entries: Entry[], trust: Trust): Promise<Map<string, string>> {
  const keys = new Map<string, string>()
  for (const { body } of entries.filter(e => e.kind === 'basis' || e.kind === 'proof')) {
    const proof = parseProof(body)
    const note = typeof proof === 'string' ? proof : parseNote(proof.checkpoint)
    if (typeof proof === 'string' || typeof note === 'string') continue
    const checkpoint = parseCheckpoint(note.text)
    if (typeof checkpoint === 'string' || !await ledgerHolds(c, note, checkpoint.origin, trust)) continue
    const root = await rootOf(c, await leafHash(c, proof.leaf), proof.index, checkpoint.size, proof.hashes)
    if (!root || !equal(root, checkpoint.root)) continue
    const registered = registration(proof.leaf)
    if (registered && !keys.has(registered.origin)) keys.set(registered.origin, registered.key)
  }
  return keys
}

/** What a leaf log.registered says; what programs handed in over HTTP says nothing of keys. */
function registration(leaf: Bytes): { origin: string; key: string } | undefined {
  try {
    const e = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(leaf)) as {
      event_type?: unknown; source?: { kind?: unknown }; event_data?: { origin?: unknown; publicKey?: unknown }
    }
    const { origin, publicKey } = e.event_data ?? {}
    if (e.event_type !== 'log.registered' || e.source?.kind !== 'aggregator' || typeof origin !== 'string' || typeof publicKey !== 'string') return undefined
    return fromBase64(publicKey)?.length === 32 ? { origin, key: publicKey } : undefined
  } catch {
    return undefined
  }
}

/** The bytes of a bundle that came as text. */
export const bundleBytes = (text: string): Bytes => concat(utf8(text))
