import { describe, expect, it } from 'vitest'
import file from '../../../../../shared/evidence/bundle/testdata/vectors.json'
import { bundleBytes, keysOf, parseBundle } from './bundle'
import { fromBase64, utf8 } from './bytes'
import { javaScriptCrypto, webCryptoOf, type Crypto } from './crypto'
import { parseCheckpoint, parseNote, parseProof } from './note'
import { parseTrust } from './trust'
import { verifyEvent } from './verify'

interface Vector { name: string; bundle: string; trust: string; verdict: string }

const vectors = Object.values(file as Record<string, Vector>)

/** Judges a bundle of one event as the page does. */
async function judge(c: Crypto, v: Vector): Promise<string> {
  const trust = v.trust ? parseTrust(v.trust, 'x') : undefined
  if (typeof trust === 'string') throw new Error(trust)
  const entries = await parseBundle(c, bundleBytes(v.bundle))
  if (typeof entries === 'string') return 'bad'
  const text = entries.find(e => e.kind === 'proof')!.body
  const proof = parseProof(text)
  if (typeof proof === 'string') return 'bad'
  const note = parseNote(proof.checkpoint)
  const checkpoint = typeof note === 'string' ? note : parseCheckpoint(note.text)
  if (typeof checkpoint === 'string') return 'bad'
  const keys = entries.filter(e => e.kind === 'key' && e.words[0] === checkpoint.origin)
    .map(e => ({ key: e.words[1]!, after: Number(e.words[2]), last: Number(e.words[3]) }))
  const learned = trust && await keysOf(c, entries, trust)
  const cosigners = entries.filter(e => e.kind === 'cosigner').map(e => ({ name: e.words[0]!, key: e.words[1]! }))
  const { verdict } = await verifyEvent(c, text, undefined, { origin: checkpoint.origin, keys, cosigners }, trust, learned)
  return { anchored: 'anchored', consistent: 'not_anchored', broken: 'bad' }[verdict]
}

const engines: [string, () => Promise<Crypto>][] = [
  ['WebCrypto', async () => webCryptoOf(globalThis.crypto.subtle)],
  ['JavaScript', javaScriptCrypto],
]

describe.each(engines)('bundles checked with %s', (_, engine) => {
  it.each(vectors.map(v => [v.name, v] as const))('agree with linewatch-verify: %s', async (_, v) => {
    expect(await judge(await engine(), v)).toBe(v.verdict)
  })
})

describe('the hash of a bundle', () => {
  const good = utf8(vectors.find(v => v.name === 'nothing is pinned')!.bundle)
  it('finds a changed byte anywhere', async () => {
    const c = await javaScriptCrypto()
    expect(typeof await parseBundle(c, good)).toBe('object')
    for (let i = 0; i < good.length; i += 7) {
      const bad = good.slice()
      bad[i]! ^= 1 << (i % 8)
      expect(typeof await parseBundle(c, bad), `byte ${i}`).toBe('string')
    }
  })
  it('finds a file that was cut off or goes on', async () => {
    const c = await javaScriptCrypto()
    for (const data of [good.slice(0, -1), good.slice(0, 300), utf8(''), utf8('x\n'), bundleBytes(new TextDecoder().decode(good) + '\n')]) {
      expect(typeof await parseBundle(c, data)).toBe('string')
    }
    expect(fromBase64('AAAA')).toBeDefined()
  })
})
