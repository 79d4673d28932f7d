import { describe, expect, it } from 'vitest'
import file from '../../../../../shared/evidence/testdata/proof_vectors.json'
import { fromBase64, toBase64, utf8 } from './bytes'
import { javaScriptCrypto, webCryptoOf, type Crypto } from './crypto'
import { parseTrust } from './trust'
import { same, verifyEvent, type Evidence } from './verify'

interface Vector {
  name: string
  proof: string
  origin: string
  keys: { key: string; after: number; last: number }[]
  cosigners: { name: string; key: string }[]
  station: boolean
  cosigned: boolean
}

const vectors: Vector[] = file.vectors
const ok = (e: Evidence, name: string) => e.checks.find(c => c.name === name)!.ok

const engines: [string, () => Promise<Crypto>][] = [
  ['WebCrypto', async () => webCryptoOf(globalThis.crypto.subtle)],
  ['JavaScript', javaScriptCrypto],
]

describe.each(engines)('proofs checked with %s', (_, engine) => {
  it.each(vectors.map(v => [v.name, v] as const))('agree with the Go verifier: %s', async (_, v) => {
    const e = await verifyEvent(await engine(), v.proof, undefined, v, undefined)
    expect(ok(e, 'station') && ok(e, 'tree')).toBe(v.station)
    expect(ok(e, 'cosigned') && ok(e, 'tree')).toBe(v.cosigned)
    expect(e.verdict === 'broken').toBe(!(v.station && v.cosigned))
  })
})

describe('the event that is shown', () => {
  const v = vectors.find(v => v.name === 'leaf 2 of 3')!
  const leaf = JSON.parse(atob(/^extra (.*)$/m.exec(v.proof)![1]!))
  const log = v.origin.split('/').pop()!
  const check = async (shown: { leaf: never; log: string; index: number }) => verifyEvent(await javaScriptCrypto(), v.proof, shown, v, undefined)

  it('is proved when it equals the signed text', async () => {
    expect((await check({ leaf: leaf as never, log, index: 2 })).verdict).toBe('consistent')
  })
  it('is refused when one field differs', async () => {
    const e = await check({ leaf: { ...leaf, severity: 'debug' } as never, log, index: 2 })
    expect(e.verdict).toBe('broken')
    expect(e.checks.filter(c => !c.ok).map(c => c.name)).toEqual(['text'])
  })
  it('is refused at another index or in another log', async () => {
    expect((await check({ leaf: leaf as never, log, index: 1 })).verdict).toBe('broken')
    expect((await check({ leaf: leaf as never, log: 'ffff', index: 2 })).verdict).toBe('broken')
  })
})

describe('trust', () => {
  const v = vectors.find(v => v.name === 'leaf 0 of 1')!
  const fingerprint = async () => {
    const c = await javaScriptCrypto()
    return (await verifyEvent(c, v.proof, undefined, v, undefined)).fingerprint
  }
  const trustIn = (agent: string, print: string) => {
    const trust = parseTrust(JSON.stringify({ stations: [{ agent, fingerprint: print }] }), 'trust.json')
    if (typeof trust === 'string') throw new Error(trust)
    return trust
  }
  it('anchors a key whose fingerprint the file names', async () => {
    const e = await verifyEvent(await javaScriptCrypto(), v.proof, undefined, v, trustIn('a0123456789abcde', await fingerprint()))
    expect(e.verdict).toBe('anchored')
  })
  it('refuses another key of a station that the file names', async () => {
    const e = await verifyEvent(await javaScriptCrypto(), v.proof, undefined, v, trustIn('a0123456789abcde', 'ab'.repeat(32)))
    expect(e.verdict).toBe('broken')
    expect(e.contradicted).toBe(true)
  })
  it('says nothing about stations that the file does not name', async () => {
    const e = await verifyEvent(await javaScriptCrypto(), v.proof, undefined, v, trustIn('a000000000000000', await fingerprint()))
    expect(e.verdict).toBe('consistent')
  })
  it.each(['', '[]', '{}', '{"stations":[]}', '{"stations":[{"agent":"a1","fingerprint":"xyz"}]}', '{"stations":[{"fingerprint":"' + 'a'.repeat(64) + '"}]}'])(
    'is not taken from %s', text => expect(typeof parseTrust(text, 'x')).toBe('string'))
})

describe('small parts', () => {
  it('refuse base64 that is not canonical', () => {
    for (const bad of ['QQ', 'QR==', 'Q', '=', 'QQ==\n', 'Q-==', ' QQ==']) expect(fromBase64(bad), bad).toBeUndefined()
    expect(toBase64(fromBase64('QUI=')!)).toBe('QUI=')
    expect(toBase64(utf8('A'.repeat(20_000))).length).toBe(26_668)
  })
  it('compare JSON without regard to the order of keys', () => {
    expect(same({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 })).toBe(true)
    for (const [a, b] of [[{ a: 1 }, { a: 1, b: 2 }], [[1, 2], [2, 1]], [{ a: 1 }, { a: '1' }], [null, {}], [[], {}], [{ a: 1 }, { b: 1 }]] as const) {
      expect(same(a as never, b as never)).toBe(false)
    }
  })
})
