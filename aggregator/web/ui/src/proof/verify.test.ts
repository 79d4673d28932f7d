import { describe, expect, it } from 'vitest'
import trusts from '../../../../../shared/evidence/bundle/testdata/trust.json'
import file from '../../../../../shared/evidence/testdata/proof_vectors.json'
import { fromBase64, toBase64, utf8 } from './bytes'
import { javaScriptCrypto, webCryptoOf, type Crypto } from './crypto'
import { agentOf } from './anchor'
import { parseNote } from './note'
import { parseTrust, STATION } from './trust'
import { same, verifyEvent, type Evidence, type Shown } from './verify'

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
    const e = await verifyEvent(await engine(), utf8(v.proof), undefined, v, undefined)
    expect(ok(e, 'station') && ok(e, 'tree')).toBe(v.station)
    expect(ok(e, 'cosigned') && ok(e, 'tree')).toBe(v.cosigned)
    expect(e.verdict === 'broken').toBe(!(v.station && v.cosigned))
  })
})

describe('the event that is shown', () => {
  const v = vectors.find(v => v.name === 'leaf 2 of 3')!
  const leaf = JSON.parse(atob(/^extra (.*)$/m.exec(v.proof)![1]!))
  const log = v.origin.split('/').pop()!
  const check = async (shown: Shown) => verifyEvent(await javaScriptCrypto(), v.proof, shown, v, undefined)

  it('is proved when it equals the signed text', async () => {
    expect((await check({ leaf: leaf as never, log, index: 2 })).verdict).toBe('consistent')
  })
  it('is refused when one field differs', async () => {
    const e = await check({ leaf: { ...leaf, severity: 'debug' } as never, log, index: 2 })
    expect(e.verdict).toBe('broken')
    expect(e.checks.filter(c => !c.ok).map(c => c.name)).toEqual(['text'])
  })
  it('is compared byte by byte when it is no readable event', async () => {
    const raw = /^extra (.*)$/m.exec(v.proof)![1]!
    expect((await check({ raw, log, index: 2 })).verdict).toBe('consistent')
    expect((await check({ raw: btoa('something else'), log, index: 2 })).verdict).toBe('broken')
  })
  it('is refused when programs could read the signed text differently', async () => {
    const text = v.proof.replace(/^extra .*$/m, `extra ${btoa('{"severity":"info","severity":"debug"}')}`)
    const e = await verifyEvent(await javaScriptCrypto(), text, { leaf: { severity: 'debug' }, log, index: 2 }, v, undefined)
    expect(e.checks.find(c => c.name === 'text')!.reason).toContain('key used twice at byte 19')
  })
  it('is refused at another index or in another log', async () => {
    expect((await check({ leaf: leaf as never, log, index: 1 })).verdict).toBe('broken')
    expect((await check({ leaf: leaf as never, log: 'ffff', index: 2 })).verdict).toBe('broken')
  })
})

describe('trust', () => {
  const v = vectors.find(v => v.name === 'leaf 0 of 1')!
  const agent = 'a0123456789abcde'
  const check = async (text: string, vector = v) => {
    const trust = parseTrust(text, 'trust.txt')
    if (typeof trust === 'string') throw new Error(trust)
    return verifyEvent(await javaScriptCrypto(), vector.proof, undefined, vector, trust)
  }
  const fingerprint = async () => (await verifyEvent(await javaScriptCrypto(), v.proof, undefined, v, undefined)).fingerprint

  it('anchors by the key or the fingerprint of the station', async () => {
    for (const pin of [v.keys[0]!.key, await fingerprint()]) {
      const e = await check(`# printed at enrolment\n\nstation ${agent} ${pin}\n`)
      expect([e.verdict, e.anchor]).toEqual(['anchored', STATION])
    }
  })
  it('anchors by a cosigner of the file, under its name', async () => {
    const { name, key } = v.cosigners[0]!
    const e = await check(`cosigner ${name} ${key}`)
    expect([e.verdict, e.anchor]).toEqual(['anchored', name])
    expect((await check(`cosigner another ${key}`)).verdict).toBe('consistent')
  })
  it('anchors by a cosigner of the file though the server names none', async () => {
    const { name, key } = v.cosigners[0]!
    expect((await check(`cosigner ${name} ${key}`, { ...v, cosigners: [] })).verdict).toBe('anchored')
    expect((await check(`witness ${name} ${key}\nstation ${agent} ${v.keys[0]!.key}`, { ...v, cosigners: [] })).checks[2]!.code).toBe('cosigner_none')
  })
  it('says so when the station signed with a key that the file does not name', async () => {
    const e = await check(`station ${agent} ${'ab'.repeat(32)}`)
    expect([e.verdict, e.otherKey]).toEqual(['consistent', true])
  })
  it('lets nothing but its own keys sign a log that it pins', async () => {
    expect((await check(`log ${v.origin} ${v.keys[0]!.key} 0 0`)).verdict).toBe('anchored')
    expect((await check(`log ${v.origin} ${v.keys[0]!.key} 1 0`)).verdict).toBe('broken')
    expect((await check(`log ${v.origin} ${v.cosigners[0]!.key} 0 0`)).verdict).toBe('broken')
  })
  it('says nothing about stations that it does not name', async () => {
    const e = await check(`station a000000000000000 ${await fingerprint()}`)
    expect([e.verdict, e.otherKey]).toEqual(['consistent', false])
  })
  it('never makes a broken proof whole', async () => {
    const broken = vectors.find(v => v.name === 'one bit of a hash')!
    expect((await check(`station ${agent} ${broken.keys[0]!.key}`, broken)).verdict).toBe('broken')
  })
  it.each(['', '# nothing', '{}', 'station', `station ${agent} xyz`, `station A1 ${'a'.repeat(64)}`, 'cosigner x QUI=', `cosigner x ${v.keys[0]!.key} until 2026-02-30T00:00:00Z`, `cosigner x ${v.keys[0]!.key} until 2026-01-02T03:04:05.5Z`, `witness x ${v.keys[0]!.key} until`,
    `cosigner x ${v.keys[0]!.key} until 2026-01-02T03:04:05Z\ncosigner x ${v.keys[0]!.key}`, `log linewatch/x ${v.keys[0]!.key} 0 0`,
    `log ${v.origin} ${v.keys[0]!.key} 5 4`, `log ${v.origin} ${v.keys[0]!.key} 0`, `station ${agent} ${'a'.repeat(64)}\nnonsense`, '#'.repeat(1024)])(
    'is not taken from a file with a mistake: %s', text => expect(typeof parseTrust(text, 'x')).toBe('string'))
})

interface TrustCase { name: string; text?: string; base64?: string; takes: boolean; witnesses?: number; quorum?: number }

describe('trust files', () => {
  it.each((trusts.cases as TrustCase[]).map(c => [c.name, c] as const))('are taken or refused as by linewatch-verify: %s', (_, c) => {
    const trust = parseTrust(c.text === undefined ? fromBase64(c.base64!)! : utf8(c.text), 'x')
    expect(typeof trust).toBe(c.takes ? 'object' : 'string')
    if (c.quorum !== undefined && typeof trust === 'object') expect([trust.quorum, trust.witnesses.length]).toEqual([c.quorum, c.witnesses])
  })
})

describe('bytes that are no text', () => {
  const v = vectors.find(v => v.name === 'leaf 0 of 1')!
  it('are no proof, where a lax reader would put a mark in their place', async () => {
    const raw = utf8(v.proof + '— x AAAAAAAAAAAAAAAA\n')
    expect((await verifyEvent(await javaScriptCrypto(), raw, undefined, v, undefined)).verdict).toBe('consistent')
    raw[raw.lastIndexOf(0x78)] = 0xff // the name
    expect((await verifyEvent(await javaScriptCrypto(), raw, undefined, v, undefined)).checks[0]!.code).toBe('proof_characters')
  })
  it('count where the length of a note is bounded', () => {
    const note = `a\n1\nx\n\n— ${'€'.repeat(21_830)} AAAAAAA=\n`
    expect(typeof parseNote(note)).toBe('object')
    expect(parseNote(note.replace('€', '€'.repeat(10)))).toBe('note_too_long') // characters are fewer than 64 Ki
  })
})

describe('small parts', () => {
  it('find the agent of an origin, also of an aggregator', () => {
    expect(agentOf('linewatch/a0123456789abcde/security/0011223344556677')).toBe('a0123456789abcde')
    expect(agentOf('linewatch/_aggregator/agg-1/security/0011223344556677')).toBe('_aggregator/agg-1')
    expect(typeof parseTrust(`log linewatch/_aggregator/agg-1/security/0011223344556677 ${vectors[0]!.keys[0]!.key} 0 0`, 'x')).toBe('object')
  })
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
