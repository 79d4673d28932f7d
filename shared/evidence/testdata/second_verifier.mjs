// A second verifier, written from docs/formats/checkpoint.md and proof.md alone. It
// shares nothing with our own: a test runs it over proof_vectors.json and compares
// the verdicts. Usage: node second_verifier.mjs proof_vectors.json
import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'

const MAX = 2n ** 63n - 1n
const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest()
const leafHash = (leaf) => sha256(Buffer.of(0), leaf)
const nodeHash = (l, r) => sha256(Buffer.of(1), l, r)

function refuse(why) {
  throw new Error(why)
}

function base64(text) {
  const raw = Buffer.from(text, 'base64')
  return raw.toString('base64') === text ? raw : refuse('base64')
}

function decimal(text) {
  if (!/^(0|[1-9][0-9]*)$/.test(text) || BigInt(text) > MAX) refuse('number')
  return BigInt(text)
}

function hash(text) {
  const raw = base64(text)
  return raw.length === 32 ? raw : refuse('hash')
}

function signedBy(key, message, signature) {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64(key).toString('base64url') }
  return verify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), signature)
}

const keyID = (name, alg, key) => sha256(Buffer.from(name + '\n'), Buffer.of(alg), base64(key)).subarray(0, 4)

function parseNote(bytes) {
  const text = bytes.toString('utf8')
  if (bytes.length > 65536 || !Buffer.from(text, 'utf8').equals(bytes)) refuse('not UTF-8')
  if (/[\x00-\x09\x0b-\x1f]/.test(text)) refuse('control character')
  const split = text.lastIndexOf('\n\n')
  if (split < 0 || !text.endsWith('\n')) refuse('no signatures')
  const lines = text.slice(split + 2, -1).split('\n')
  if (lines.length > 100 || text.length === split + 2) refuse('signatures')
  const signatures = lines.map((line) => {
    const m = /^\u2014 ([^\p{White_Space}+]+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? refuse('signature line')
    const raw = base64(m[2])
    if (raw.length < 5) refuse('signature line')
    return { name: m[1], id: raw.subarray(0, 4), bytes: raw.subarray(4) }
  })
  const body = text.slice(0, split + 1)
  const [origin, size, root, ...rest] = body.split('\n')
  if (rest.length !== 1 || rest[0] !== '' || !/^[^\p{White_Space}+]+$/u.test(origin)) refuse('checkpoint')
  return { body: Buffer.from(body), origin, size: decimal(size), root: hash(root), signatures }
}

function parseProof(text) {
  if (Buffer.byteLength(text) > 156052) refuse('too long')
  const split = text.indexOf('\n\n')
  if (split < 0) refuse('no checkpoint')
  const [header, extra, index, ...hashes] = text.slice(0, split).split('\n')
  if (header !== 'c2sp.org/tlog-proof@v1' || !extra?.startsWith('extra ') || !index?.startsWith('index ')) refuse('proof')
  const leaf = base64(extra.slice(6))
  if (leaf.length < 1 || leaf.length > 65535 || hashes.length > 64) refuse('proof')
  return { leaf, index: decimal(index.slice(6)), hashes: hashes.map(hash), note: parseNote(Buffer.from(text.slice(split + 2))) }
}

function included({ leaf, index, hashes, note }) {
  if (index >= note.size) return false
  let [f, s, h] = [index, note.size - 1n, leafHash(leaf)]
  for (const p of hashes) {
    if (s === 0n) return false
    if (f & 1n || f === s) {
      h = nodeHash(p, h)
      while (!(f & 1n) && f !== 0n) [f, s] = [f >> 1n, s >> 1n]
    } else {
      h = nodeHash(h, p)
    }
    ;[f, s] = [f >> 1n, s >> 1n]
  }
  return s === 0n && h.equals(note.root)
}

function stationSigned(note, keys) {
  let good = false
  for (const line of note.signatures.filter((l) => l.name === note.origin).slice(0, 4)) {
    for (const k of keys) {
      if (!line.id.equals(keyID(note.origin, 1, k.key))) continue
      if (!signedBy(k.key, note.body, line.bytes)) return false
      if (note.size > BigInt(k.after) && (k.last === 0 || note.size <= BigInt(k.last))) good = true
    }
  }
  return good
}

function cosigned(note, cosigners) {
  return cosigners.some((c) =>
    note.signatures
      .filter((line) => line.name === c.name)
      .slice(0, 4)
      .some((line) => {
        if (!line.id.equals(keyID(c.name, 4, c.key)) || line.bytes.length !== 72) return false
        const time = line.bytes.readBigUInt64BE(0)
        const message = Buffer.concat([Buffer.from(`cosignature/v1\ntime ${time}\n`), note.body])
        return time <= MAX && signedBy(c.key, message, line.bytes.subarray(8))
      }),
  )
}

function judge(v) {
  try {
    const proof = parseProof(v.proof)
    if (proof.note.origin !== v.origin || !included(proof)) return { station: false, cosigned: false }
    return { station: stationSigned(proof.note, v.keys), cosigned: cosigned(proof.note, v.cosigners) }
  } catch {
    return { station: false, cosigned: false }
  }
}

const { vectors } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const wrong = vectors.filter((v) => {
  const got = judge(v)
  return got.station !== v.station || got.cosigned !== v.cosigned
})
console.log(`${vectors.length - wrong.length} of ${vectors.length} as expected`)
for (const v of wrong) console.log('differs:', v.name)
process.exit(wrong.length === 0 ? 0 : 1)
