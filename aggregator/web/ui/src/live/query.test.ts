import { describe, expect, it } from 'vitest'
import cases from '../../../../../shared/query/testdata/cases.json'
import { address, prefix } from './ip'
import { nearest } from './nearest'
import { format, parse, QueryError, rangeOf, split, withRange, withTerm, without } from './query'

interface Good { text: string; terms: { field: string; path?: string[]; op: string; not?: boolean; values: string[] }[]; canonical: string }
interface Bad { text: string; pos: number; len: number; message: string; suggestion?: string }

const now = Date.parse(cases.now)
const good = cases.good as Good[], bad = cases.bad as Bad[]

describe('the shared table of the search language', () => {
  it.each(good.map(c => [c.text, c] as const))('reads as in Go: %s', (text, c) => {
    const q = parse(text, now)
    expect(q.terms).toEqual(c.terms.map(t => ({ ...t, path: t.path ?? [], not: t.not ?? false })))
    expect(format(q)).toBe(c.canonical)
    expect(format(parse(c.canonical, now))).toBe(c.canonical)
  })
  it.each(bad.map(c => [c.text, c] as const))('refuses at the same place as in Go: %s', (text, c) => {
    let error: unknown
    try {
      parse(text, now)
    } catch (e) {
      error = e
    }
    expect(error).toBeInstanceOf(QueryError)
    const { pos, len, message, suggestion } = error as QueryError
    expect({ pos, len, message, suggestion }).toEqual({ pos: c.pos, len: c.len, message: c.message, suggestion: c.suggestion ?? '' })
  })
})

describe('changes of a filter text', () => {
  it('add a term once and replace its opposite', () => {
    expect(withTerm('', 'type:a.b')).toBe('type:a.b')
    expect(withTerm('x type:a.b', 'type:a.b')).toBe('x type:a.b')
    expect(withTerm('x -type:a.b y', 'type:a.b')).toBe('x y type:a.b')
    expect(withTerm('type:a.b', '-type:a.b')).toBe('-type:a.b')
  })
  it('remove a term, also one with spaces in quotes', () => {
    expect(without('a data.x:"b c" d', 'data.x:"b c"')).toBe('a d')
    expect(split('a "b c" data.x:"d \\" e" f')).toEqual(['a', '"b c"', 'data.x:"d \\" e"', 'f'])
  })
  it('set and clear the time range with absolute times', () => {
    const t = Date.parse('2026-11-22T04:00:00Z')
    expect(withRange('since:2h severity>=high', t, t + 60_000)).toBe('severity>=high since:2026-11-22T04:00:00Z until:2026-11-22T04:01:00Z')
    expect(withRange('since:2h a until:1h', undefined, undefined)).toBe('a')
  })
  it('tell the narrowest range', () => {
    const q = parse('since:2h since:1h until:10m until:5m', now)
    expect(rangeOf(q)).toEqual({ from: now - 3_600_000, to: now - 600_000 })
    expect(rangeOf(parse('word', now))).toEqual({})
  })
})

describe('addresses', () => {
  it.each([
    ['10.4.1.12', '10.4.1.12'], ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], ['::', '::'], ['::1', '::1'], ['1::', '1::'], ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'], ['1:0:3:0:5:6:7:8', '1:0:3:0:5:6:7:8'], ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['10.4.1', undefined], ['010.4.1.1', undefined], ['256.1.1.1', undefined], ['1::2::3', undefined], ['1:2:3:4:5:6:7', undefined], ['12345::', undefined], ['', undefined], [':', undefined],
  ])('have the form of netip: %s', (text, want) => expect(address(text)).toBe(want))
  it.each([
    ['10.4.1.12/8', '10.0.0.0/8'], ['10.4.1.12/32', '10.4.1.12/32'], ['10.4.1.12/0', '0.0.0.0/0'], ['2001:db8:ffff::/33', '2001:db8:8000::/33'], ['10.0.0.0/33', undefined], ['10.0.0.0/08', undefined], ['/8', undefined],
  ])('and prefixes lose their host bits: %s', (text, want) => expect(prefix(text)).toBe(want))
})

it('the meant word is found and a strange one is not', () => {
  const words = ['station', 'severity', 'type', 'id', 'ip']
  for (const [typed, meant] of [['statoin', 'station'], ['sevrity', 'severity'], ['tpye', 'type'], ['typ', 'type'], ['colour', ''], ['', '']] as const) {
    expect(nearest(typed, words), typed).toBe(meant)
  }
})
