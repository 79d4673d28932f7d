// C2SP signed note, checkpoint and tlog-proof, parsed strictly.

import { concat, equal, fromBase64, utf8, type Bytes } from './bytes'
import type { Crypto } from './crypto'

export interface SignatureLine { name: string; hash: Bytes; bytes: Bytes }

/** A signed note: the text ends in a newline and is what is signed. */
export interface Note { text: string; signatures: SignatureLine[] }

export interface Checkpoint { origin: string; size: bigint; root: Bytes }

export interface Proof { leaf: Bytes; index: bigint; hashes: Bytes[]; checkpoint: string }

const MAX_PROOF = 1 << 18
const MAX_LEAF = 65_535
const MAX_NOTE = 64 << 10
const decimal = /^(?:0|[1-9][0-9]{0,18})$/
const MAX_SIZE = (1n << 63n) - 1n

function whole(text: string): bigint | undefined {
  if (!decimal.test(text)) return undefined
  const n = BigInt(text)
  return n <= MAX_SIZE ? n : undefined
}

/** Parses a tlog-proof whose extra line carries the leaf; a string says what is wrong. */
export function parseProof(text: string): Proof | string {
  if (text.length > MAX_PROOF) return 'the proof is too large'
  const end = text.indexOf('\n\n')
  if (end < 0) return 'the proof has no checkpoint'
  const lines = text.slice(0, end).split('\n')
  if (lines[0] !== 'c2sp.org/tlog-proof@v1') return 'this is no c2sp.org/tlog-proof@v1'
  const extra = lines[1] ?? ''
  const leaf = extra.startsWith('extra ') ? fromBase64(extra.slice(6)) : undefined
  if (!leaf || leaf.length === 0 || leaf.length > MAX_LEAF) return 'the proof carries no event'
  const place = lines[2] ?? ''
  const index = place.startsWith('index ') ? whole(place.slice(6)) : undefined
  if (index === undefined) return 'the proof has no index'
  const hashes: Bytes[] = []
  for (const line of lines.slice(3)) {
    const hash = fromBase64(line)
    if (!hash || hash.length !== 32) return 'a hash of the proof is damaged'
    hashes.push(hash)
  }
  if (hashes.length > 64) return 'the proof has too many hashes'
  return { leaf, index, hashes, checkpoint: text.slice(end + 2) }
}

/** Parses a signed note; a string says what is wrong. */
export function parseNote(note: string): Note | string {
  if (note.length > MAX_NOTE) return 'the checkpoint is too long'
  if (/[\u0000-\u0009\u000b-\u001f\ufffd]/.test(note)) return 'the checkpoint has characters that no note may have'
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) return 'the checkpoint is no signed note'
  const signatures: SignatureLine[] = []
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const m = /^— ([^\s+]+) (\S+)$/u.exec(line)
    const blob = m && fromBase64(m[2]!)
    if (!m || !blob || blob.length < 5) return 'a signature line of the checkpoint is damaged'
    signatures.push({ name: m[1]!, hash: blob.slice(0, 4), bytes: blob.slice(4) })
    if (signatures.length > 100) return 'the checkpoint has too many signatures'
  }
  return { text: note.slice(0, split + 1), signatures }
}

/** Parses the text of a checkpoint note; exactly three lines (facts about a log are leaves in it). */
export function parseCheckpoint(text: string): Checkpoint | string {
  const lines = text.split('\n')
  if (lines.length !== 4 || lines[3] !== '' || !/^[^\s+]+$/u.test(lines[0]!)) return 'the checkpoint has not three lines'
  const size = whole(lines[1]!)
  const root = fromBase64(lines[2]!)
  if (size === undefined || !root || root.length !== 32) return 'the checkpoint is damaged'
  return { origin: lines[0]!, size, root }
}

/** Key hash of a signed note: the first 4 bytes of SHA-256(name, LF, algorithm, key). */
export async function keyHash(c: Crypto, name: string, algorithm: number, key: Bytes): Promise<Bytes> {
  const sum = await c.sha256(concat(utf8(name + '\n'), new Uint8Array([algorithm]), key))
  return sum.slice(0, 4)
}

/** What the signature lines (Ed25519, algorithm 1) of name by key say; 'none' without one. */
export async function signedBy(c: Crypto, note: Note, name: string, key: Bytes): Promise<'good' | 'bad' | 'none'> {
  const hash = await keyHash(c, name, 1, key)
  let found: 'good' | 'none' = 'none'
  for (const s of note.signatures) {
    if (s.name !== name || !equal(s.hash, hash)) continue
    if (s.bytes.length !== 64 || !await c.verifyEd25519(key, utf8(note.text), s.bytes)) return 'bad'
    found = 'good'
  }
  return found
}

/** Time (ms) at which name cosigned the note (cosignature/v1, algorithm 4) by key; what states a time after until counts nothing. */
export async function cosignedAt(c: Crypto, note: Note, name: string, key: Bytes, until = Infinity): Promise<number | undefined> {
  const hash = await keyHash(c, name, 4, key)
  for (const s of note.signatures) {
    if (s.name !== name || !equal(s.hash, hash) || s.bytes.length !== 72) continue
    const seconds = new DataView(s.bytes.buffer, s.bytes.byteOffset).getBigUint64(0)
    if (Number(seconds) * 1000 > until) continue
    const message = utf8(`cosignature/v1\ntime ${seconds}\n${note.text}`)
    if (await c.verifyEd25519(key, message, s.bytes.slice(8))) return Number(seconds) * 1000
  }
  return undefined
}
