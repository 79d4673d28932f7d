import { describe, expect, it } from 'vitest'
import file from '../../../../../shared/evidence/bundle/testdata/vectors.json'
import { bundleBytes, keysOf, parseBundle } from './bundle'
import { fromBase64, textOf, utf8 } from './bytes'
import { javaScriptCrypto, webCryptoOf, type Crypto } from './crypto'
import { parseCheckpoint, parseNote, parseProof } from './note'
import { parseTrust } from './trust'
import { verifyEvent, type Evidence } from './verify'

interface Vector { name: string; bundle: string; trust: string; verdict: string }

const vectors = Object.values(file as Record<string, Vector>)

/** What the page says of a bundle of one event; undefined when it is none. */
async function look(c: Crypto, v: Vector): Promise<Evidence | undefined> {
  const trust = v.trust ? parseTrust(utf8(v.trust), 'x') : undefined
  if (typeof trust === 'string') throw new Error(trust)
  const entries = await parseBundle(c, bundleBytes(v.bundle))
  if (typeof entries === 'string') return undefined
  const text = entries.find(e => e.kind === 'proof')!.body
  const proof = parseProof(text)
  if (typeof proof === 'string') return undefined
  const note = parseNote(proof.checkpoint)
  const checkpoint = typeof note === 'string' ? note : parseCheckpoint(note.text)
  if (typeof checkpoint === 'string') return undefined
  const keys = entries.filter(e => e.kind === 'key' && e.words[0] === checkpoint.origin)
    .map(e => ({ key: e.words[1]!, after: BigInt(e.words[2]!), last: BigInt(e.words[3]!) }))
  const learned = trust && await keysOf(c, entries, trust)
  const cosigners = entries.filter(e => e.kind === 'cosigner').map(e => ({ name: e.words[0]!, key: e.words[1]! }))
  return await verifyEvent(c, text, undefined, { origin: checkpoint.origin, keys, cosigners }, trust, learned)
}

/** Its verdict in the words of linewatch-verify. */
async function judge(c: Crypto, v: Vector): Promise<string> {
  const verdict = (await look(c, v))?.verdict ?? 'broken'
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

describe('the end of a cosigner\'s word', () => {
  const shown = async (name: string) => (await look(await javaScriptCrypto(), vectors.find(v => v.name === name)!))!
  it('is kept by what the page says of the countersignature, too', async () => {
    const late = await shown('the cosigner\'s word counted until the second before')
    const check = late.checks.find(c => c.name === 'cosigned')!
    expect([late.verdict, check.ok, check.weak, check.code]).toEqual(['consistent', false, true, 'cosigner_late'])
    expect(check.reason).toContain('agg-1 countersigned it later than the trust file takes its word: until 2026-01-02T03:04:04Z')
    expect(check.fact).toEqual({}) // no time that nobody vouches for
    const good = await shown('the cosigner\'s word counts until this second')
    expect(good.checks.find(c => c.name === 'cosigned')).toMatchObject({ ok: true, fact: { name: 'agg-1' } })
  })
  it('counts under whatever name the server offers the key', async () => {
    const v = vectors.find(v => v.name === 'the cosigner\'s word counted until the second before')!
    const renamed = await look(await javaScriptCrypto(), { ...v, trust: v.trust.replace('cosigner agg-1', 'cosigner before') })
    expect(renamed!.checks.find(c => c.name === 'cosigned')!.ok).toBe(false)
  })
  it('leaves a station\'s own word alone', async () => {
    const v = vectors.find(v => v.name === 'the cosigner\'s word counted until the second before')!
    const station = vectors.find(v => v.name === 'the station is pinned')!.trust
    expect((await look(await javaScriptCrypto(), { ...v, trust: v.trust + station }))!.verdict).toBe('anchored')
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
    for (const data of [good.slice(0, -1), good.slice(0, 300), utf8(''), utf8('x\n'), bundleBytes(textOf(good)! + '\n')]) {
      expect(typeof await parseBundle(c, data)).toBe('string')
    }
    expect(fromBase64('AAAA')).toBeDefined()
  })
})
