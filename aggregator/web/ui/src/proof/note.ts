// C2SP signed note, checkpoint and tlog-proof, parsed strictly.

import { concat, equal, fromBase64, utf8, type Bytes } from './bytes'
import type { Crypto } from './crypto'
import type { Reason } from './reasons'

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

/** Parses a tlog-proof whose extra line carries the leaf; a string is the code of what is wrong. */
export function parseProof(text: string): Proof | Reason {
  if (text.length > MAX_PROOF) return 'proof_too_large'
  const end = text.indexOf('\n\n')
  if (end < 0) return 'proof_no_checkpoint'
  const lines = text.slice(0, end).split('\n')
  if (lines[0] !== 'c2sp.org/tlog-proof@v1') return 'proof_other_format'
  const extra = lines[1] ?? ''
  const leaf = extra.startsWith('extra ') ? fromBase64(extra.slice(6)) : undefined
  if (!leaf || leaf.length === 0 || leaf.length > MAX_LEAF) return 'proof_no_event'
  const place = lines[2] ?? ''
  const index = place.startsWith('index ') ? whole(place.slice(6)) : undefined
  if (index === undefined) return 'proof_no_index'
  const hashes: Bytes[] = []
  for (const line of lines.slice(3)) {
    const hash = fromBase64(line)
    if (!hash || hash.length !== 32) return 'proof_bad_hash'
    hashes.push(hash)
  }
  if (hashes.length > 64) return 'proof_many_hashes'
  return { leaf, index, hashes, checkpoint: text.slice(end + 2) }
}

/** Parses a signed note; a string is the code of what is wrong. */
export function parseNote(note: string): Note | Reason {
  if (note.length > MAX_NOTE) return 'note_too_long'
  if (/[\u0000-\u0009\u000b-\u001f\ufffd]/.test(note)) return 'note_characters'
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) return 'note_unsigned'
  const signatures: SignatureLine[] = []
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const m = /^— ([^\s+]+) (\S+)$/u.exec(line)
    const blob = m && fromBase64(m[2]!)
    if (!m || !blob || blob.length < 5) return 'note_bad_line'
    signatures.push({ name: m[1]!, hash: blob.slice(0, 4), bytes: blob.slice(4) })
    if (signatures.length > 100) return 'note_many_lines'
  }
  return { text: note.slice(0, split + 1), signatures }
}

/** Parses the text of a checkpoint note; exactly three lines (facts about a log are leaves in it). */
export function parseCheckpoint(text: string): Checkpoint | Reason {
  const lines = text.split('\n')
  if (lines.length !== 4 || lines[3] !== '' || !/^[^\s+]+$/u.test(lines[0]!)) return 'checkpoint_lines'
  const size = whole(lines[1]!)
  const root = fromBase64(lines[2]!)
  if (size === undefined || !root || root.length !== 32) return 'checkpoint_damaged'
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
