import { describe, expect, it } from 'vitest'
import { en } from '../i18n'
import { sentence } from '../i18n/sentence'
import { readEvent } from './read'
import type { Json, Leaf, Stored } from './types'

const stored: Stored = { log: 'l', index: 3, id: '0190a000-0000-7000-8000-0000000000aa', at: '2026-11-22T04:00:00Z', received_at: '2026-11-22T04:00:01Z', problems: [{ field: 'station', reason: 'missing' }] }
const whole = {
  id: stored.id!, event_type: 'user.login', class: 'security', severity: 'high', timestamp: stored.at, collected_at: stored.at, station: 'a/b', equipment: 'press', signal: 's',
  correlation_id: 'c', user_id: 'p-1', source_ip: '10.0.0.1', source: { kind: 'opcua', item: 'x' }, event_data: { a: 1 }, context: { b: 2 },
  metadata: { agent: '1', problems: [{ field: 'x', reason: 'y' }] }, curve: { start: stored.at, step_ms: 10, min: 'AAAA', max: 'AAAA' }, sealed: { 'event_data.u': { key: 'k', text: 't' } }, salt: 'AAAA',
}
const read = (leaf: unknown) => readEvent({ leaf: leaf as Leaf, stored })
const base64 = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)))

describe('an event of the API', () => {
  it('stays as it came when it is sound', () => {
    const e = read(whole)
    expect(e.leaf).toBe(whole)
    expect(e.asSent).toBeUndefined()
  })
  it('has its required fields whatever the station left out', () => {
    const e = read({})
    expect(e.leaf).toMatchObject({ id: stored.id, severity: 'info', station: '', timestamp: stored.at, collected_at: stored.at })
    expect(e.asSent).toEqual({})
  })
  // A page that fails on one event shows nobody anything any more.
  it.each(Object.keys(whole).flatMap(key => ([null, 5, 'text', [], [1], {}, { problems: 5 }, { problems: [1] }, { kind: {} }, { start: 1 }, { x: 1 }] as Json[]).map(value => [key, JSON.stringify(value), value] as const)))(
    'can be shown with %s: %s', (key, _, value) => {
      const { leaf } = read({ ...whole, [key]: value })
      for (const name of ['id', 'event_type', 'class', 'timestamp', 'collected_at', 'station'] as const) expect(typeof leaf[name]).toBe('string')
      for (const name of ['equipment', 'signal', 'correlation_id', 'user_id', 'source_ip'] as const) expect(['string', 'undefined']).toContain(typeof leaf[name])
      for (const text of [leaf.source?.kind, leaf.source?.endpoint, leaf.source?.item]) expect(['string', 'undefined']).toContain(typeof text)
      expect([...leaf.metadata?.problems ?? []].every(p => typeof p.field === 'string' && typeof p.reason === 'string')).toBe(true)
      if (leaf.curve) expect([typeof leaf.curve.start, typeof leaf.curve.min, typeof leaf.curve.max, typeof leaf.curve.step_ms]).toEqual(['string', 'string', 'string', 'number'])
      expect(Array.isArray(leaf.event_data)).toBe(false)
      for (const path of Object.values(leaf.sealed ?? {})) expect(typeof path).toBe('object')
      expect(typeof sentence(leaf, en, iso => iso)).toBe('string')
    })
  it('keeps what can be read of a leaf outside of the profile', () => {
    const e = readEvent({ raw: base64('{"id":"x","id":"y","event_type":"user.login","station":"a/ü","user_id":5,"event_data":{"a":1}}'), stored })
    expect(e.leaf).toMatchObject({ id: stored.id, event_type: 'user.login', station: 'a/ü', event_data: { a: 1 }, severity: 'medium' })
    expect(e.leaf.user_id).toBeUndefined()
    expect(readEvent({ raw: base64('nothing'), stored }).leaf).toMatchObject({ event_type: 'ingest.quarantined', event_data: { reason: 'missing' } })
  })
})
