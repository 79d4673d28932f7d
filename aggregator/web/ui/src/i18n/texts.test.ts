import { describe, expect, it } from 'vitest'
import table from '../../../../../shared/event/testdata/profile.json'
import { javaScriptCrypto } from '../proof/crypto'
import { inEnglish, profileReasons, reasons, type Reason } from '../proof/reasons'
import { parseTrust, readTrust } from '../proof/trust'
import { verifyEvent } from '../proof/verify'
import { de } from './de'
import { en } from './index'
import { faultText } from './reason'

/** All texts of a dictionary by their path: "bar.live". */
function flat(texts: object, path = ''): Map<string, string> {
  const out = new Map<string, string>()
  for (const [key, value] of Object.entries(texts) as [string, unknown][]) {
    if (typeof value === 'string') out.set(path + key, value)
    else if (typeof value === 'object' && value !== null) for (const [k, v] of flat(value, `${path}${key}/`)) out.set(k, v)
  }
  return out
}

/** What events and programs say has tests of its own: sentence.test.ts, said.test.ts. */
const pages = ({ sentences: _, words: __, explained: ___, said: ____, ...rest }: typeof en) => flat(rest)

const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(m => m[1]!).sort()

/** The same word in both languages, or words of the filter. */
const same = new Set([
  'bar/live', 'bar/zoneUtc', 'signIn/name', 'severity/debug', 'className/debug', 'histogram/m15', 'histogram/h1', 'histogram/h8', 'histogram/d1',
  'events/placeholder', 'events/station', 'detail/station', 'detail/signal', 'detail/person', 'sealed/name', 'evidence/cosignedFact',
])

describe('the languages', () => {
  const english = pages(en), german = pages(de)

  it('have the same texts', () => expect([...german.keys()].sort()).toEqual([...english.keys()].sort()))
  it('name the same facts in each text', () => {
    for (const [key, text] of english) expect(holes(german.get(key)!), key).toEqual(holes(text))
  })
  it('leave nothing in English on the German page', () => {
    const left = [...english].filter(([key, text]) => german.get(key) === text && /\p{L}/u.test(text.replace(/\{\w+\}/g, ''))).map(([key]) => key)
    expect(left.filter(key => !same.has(key))).toEqual([])
    for (const key of same) expect(english.has(key), `${key} is on the list and in no dictionary`).toBe(true)
  })
  it('have no empty text', () => {
    for (const [key, text] of [...english, ...german]) expect(text, key).not.toBe('')
  })
})

describe('why evidence does not hold', () => {
  const sources = Object.values(import.meta.glob<string>(['../proof/*.ts', '!../proof/reasons.ts', '!../proof/*.test.ts'], { query: '?raw', import: 'default', eager: true })).join('\n')

  it.each(Object.keys(reasons) as Reason[])('is said in both languages: %s', code => {
    expect(en.reasons[code]).toBe(reasons[code])
    expect(de.reasons[code]).toBeTruthy()
    expect(holes(de.reasons[code])).toEqual(holes(reasons[code]))
  })
  it.each(Object.keys(reasons))('is a reason that the checks give: %s', code => expect(sources).toContain(`'${code}'`))
  it('has a German word for each fault of the shared table of the profile', () => {
    const faults = new Set((table.cases as { reason?: string }[]).flatMap(c => c.reason !== undefined && !/^unexpected '/.test(c.reason) ? [c.reason] : []))
    expect(faults.size).toBeGreaterThan(10)
    for (const fault of faults) expect(Object.keys(de.profile), fault).toContain(fault)
    expect(Object.keys(de.profile)).toEqual([...profileReasons])
  })
  it('is the same sentence in English whether by its code or as text', async () => {
    const { checks } = await verifyEvent(await javaScriptCrypto(), 'nothing', undefined, { origin: 'x', keys: [], cosigners: [] }, undefined)
    for (const { code, params, reason } of checks) {
      expect(reason).toBe('the proof has no checkpoint')
      expect(faultText({ code: code as Reason, params }, en)).toBe(reason)
      expect(faultText({ code: code as Reason, params }, de)).toBe('der Beweis hat keinen Checkpoint')
    }
  })
  it('names the line of a trust file, and what stands there', () => {
    const text = '# keys\nledger Hamburg! x\n', fault = readTrust(text, 'x')
    if (!('code' in fault)) throw new Error('the file was taken')
    expect(inEnglish(fault)).toBe('line 2: “Hamburg!” is no instance of an aggregator')
    expect(parseTrust(text, 'x')).toBe(inEnglish(fault))
    expect(faultText(fault, en)).toBe(inEnglish(fault))
    expect(faultText(fault, de)).toBe('Zeile 2: „Hamburg!“ ist keine Instanz eines Aggregators')
  })
  it('tells in which way the signed text is ambiguous', () => {
    expect(faultText({ code: 'text_ambiguous', params: { fault: 'key used twice', offset: 19 } }, de)).toBe('Programme können den signierten Text verschieden lesen: ein Schlüssel steht zweimal da, bei Byte 19')
    expect(faultText({ code: 'text_ambiguous', params: { fault: "unexpected 'x'", offset: 2 } }, de)).toContain("unexpected 'x', bei Byte 2")
  })
})
