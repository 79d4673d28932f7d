// C2SP signed note, checkpoint and tlog-proof, parsed strictly.

import { concat, equal, fromBase64, isName, MAX_SIZE, textOf, toBase64, utf8, whole, type Bytes } from './bytes'
import type { Crypto } from './crypto'
import type { Reason } from './reasons'

export interface SignatureLine { name: string; hash: Bytes; bytes: Bytes }

/** A signed note: the text ends in a newline and is what is signed. */
export interface Note { text: string; signatures: SignatureLine[] }

export interface Checkpoint { origin: string; size: bigint; root: Bytes }

export interface Proof { leaf: Bytes; index: bigint; hashes: Bytes[]; checkpoint: string }

const MAX_PROOF = 156_052 // bytes
const MAX_LEAF = 65_535
const MAX_NOTE = 64 << 10 // bytes
/** Lines of one name that are judged; more count as unknown. */
const MAX_JUDGED = 4

/** Parses a tlog-proof whose extra line carries the leaf; a string is the code of what is wrong. */
export function parseProof(proof: string | Uint8Array): Proof | Reason {
  const text = typeof proof === 'string' ? proof : textOf(proof)
  if (text === undefined) return 'proof_characters'
  if (utf8(text).length > MAX_PROOF) return 'proof_too_large'
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
  if (utf8(note).length > MAX_NOTE) return 'note_too_long'
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note)) return 'note_characters'
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) return 'note_unsigned'
  const signatures: SignatureLine[] = []
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const m = /^— ([^ ]+) ([^ ]+)$/u.exec(line)
    const blob = m && isName(m[1]!) ? fromBase64(m[2]!) : undefined
    if (!m || !blob || blob.length < 5) return 'note_bad_line'
    signatures.push({ name: m[1]!, hash: blob.slice(0, 4), bytes: blob.slice(4) })
    if (signatures.length > 100) return 'note_many_lines'
  }
  return { text: note.slice(0, split + 1), signatures }
}

/** Parses the text of a checkpoint note; exactly three lines (facts about a log are leaves in it). */
export function parseCheckpoint(text: string): Checkpoint | Reason {
  const lines = text.split('\n')
  if (lines.length !== 4 || lines[3] !== '' || !isName(lines[0]!)) return 'checkpoint_lines'
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

/** The lines of a name that are judged. */
const linesOf = (note: Note, name: string): SignatureLine[] => note.signatures.filter(s => s.name === name).slice(0, MAX_JUDGED)

/** Whether key made a line as a log does. */
const made = async (c: Crypto, note: Note, s: SignatureLine, key: Bytes): Promise<boolean> =>
  s.bytes.length === 64 && await c.verifyEd25519(key, utf8(note.text), s.bytes)

/** The time (ms) that a cosignature/v1 line of key states; undefined when it is none. */
async function stated(c: Crypto, note: Note, s: SignatureLine, key: Bytes): Promise<number | undefined> {
  if (s.bytes.length !== 72) return undefined
  const seconds = new DataView(s.bytes.buffer, s.bytes.byteOffset).getBigUint64(0)
  if (seconds > MAX_SIZE) return undefined
  const message = utf8(`cosignature/v1\ntime ${seconds}\n${note.text}`)
  return await c.verifyEd25519(key, message, s.bytes.slice(8)) ? Number(seconds) * 1000 : undefined
}

/** What the signature lines (Ed25519, algorithm 1) of name by key say; 'none' without one. */
export async function signedBy(c: Crypto, note: Note, name: string, key: Bytes): Promise<'good' | 'bad' | 'none'> {
  const hash = await keyHash(c, name, 1, key)
  let found: 'good' | 'none' = 'none'
  for (const s of linesOf(note, name)) {
    if (!equal(s.hash, hash)) continue
    if (!await made(c, note, s, key)) return 'bad'
    found = 'good'
  }
  return found
}

/** Times (ms) at which name cosigned the note (cosignature/v1, algorithm 4) by key. */
export async function cosignedTimes(c: Crypto, note: Note, name: string, key: Bytes): Promise<number[]> {
  const hash = await keyHash(c, name, 4, key)
  const out: number[] = []
  for (const s of linesOf(note, name)) {
    const at = equal(s.hash, hash) ? await stated(c, note, s, key) : undefined
    if (at !== undefined) out.push(at)
  }
  return out
}

/** The first of those times that is not after until: what states a later one counts nothing. */
export const cosignedAt = async (c: Crypto, note: Note, name: string, key: Bytes, until = Infinity): Promise<number | undefined> =>
  (await cosignedTimes(c, note, name, key)).find(at => at <= until)

/** A key with the name under which it signs. */
export interface Named { name: string; key: Bytes }

/** One of them as a text. */
export const idOf = ({ name, key }: Named): string => name + '\n' + toBase64(key)

/** Who made each line of a note, the log by one of keys; undefined when nobody of these made a line, or one made two. */
export async function makersOf(c: Crypto, note: Note, origin: string, keys: readonly Bytes[], cosigners: readonly Named[]): Promise<Set<string> | undefined> {
  const out = new Set<string>()
  for (const s of note.signatures) {
    if (!linesOf(note, s.name).includes(s)) return undefined
    const own = s.name === origin
    let by = ''
    for (const k of own ? keys.map(key => ({ name: origin, key })) : cosigners) {
      if (by || k.name !== s.name || !equal(s.hash, await keyHash(c, s.name, own ? 1 : 4, k.key))) continue
      if (own ? await made(c, note, s, k.key) : await stated(c, note, s, k.key) !== undefined) by = idOf(k)
    }
    if (!by || out.has(by)) return undefined
    out.add(by)
  }
  return out
}
