import { describe, expect, it } from 'vitest'
import catalogue from '../../../../../shared/event/catalogue.csv?raw'
import type { Fields, Leaf } from '../api/types'
import { de } from './de'
import { en, fill, preferredLanguage } from './index'
import { duration, figure, measure, sentence, typeWords } from './sentence'

const leaf = (event_type: string, event_data: Fields, rest: Partial<Leaf> = {}) => ({ event_type, event_data, station: 'hamburg/body/line3/st07', ...rest }) as Leaf
const say = (l: Leaf, book = en) => sentence(l, book, iso => iso.slice(11, 16)).replaceAll('\u2009', ' ')

/** Types of the catalogue that are rows of the events table. */
const types = (catalogue as string).split('\n').slice(1).map(line => line.split(',')[0]!).filter(t => /^[a-z_]+\.[a-z_]+$/.test(t))
const hidden = new Set(['log.opened', 'log.closed', 'log.key', 'log.heartbeat', 'log.registered', 'log.roots', 'signal.summary'])

describe('sentences', () => {
  it('say what happened', () => {
    expect(say(leaf('quality.check', { productId: 113063, characteristic: 'Torque', value: 41.31, unit: 'Nm', result: 'pass' }))).toBe('Torque 41.3 Nm, passed (part 113063)')
    expect(say(leaf('equipment.status', { status: 'blocked', previous: 'running' }, { equipment: 'press-12' }))).toBe('press-12: blocked, was running')
    expect(say(leaf('security.violation', { rule: 'first_seen_user', subject: 'p-8f5b8bb2' }))).toBe('p-8f5b8bb2 is here for the first time')
    expect(say(leaf('security.violation', { rule: 'a_rule_of_tomorrow', subject: 'st07' }))).toBe('a_rule_of_tomorrow: st07')
    expect(say(leaf('equipment.status', { status: 'blocked', previous: 'running' }, { equipment: 'press-12' }), de)).toBe('press-12: blockiert, vorher läuft')
    expect(say(leaf('comm.restored', { peer: 'opc.tcp://10.4.1.12', protocol: 'opcua', downMs: 15_200 }))).toBe('Connection to opc.tcp://10.4.1.12 is back after 15.2 s')
    expect(say(leaf('agent.offline', { lastSeen: '2026-11-22T04:02:00Z' }))).toBe('Agent is offline since 04:02')
  })
  it('follow the state and the outcome', () => {
    const limit = { signal: 'press.temperature', condition: 'HighHigh', value: 99.52, limit: 95, unit: 'degC' }
    expect(say(leaf('alarm.state', { ...limit, state: 'active' }))).toBe('press.temperature far above its limit: 99.5 °C, limit 95 °C')
    expect(say(leaf('alarm.state', { ...limit, state: 'cleared' }))).toBe('press.temperature is back within its limit (99.5 °C)')
    expect(say(leaf('equipment.fault', { code: 'F1', text: 'door open', state: 'cleared' }, { equipment: 'press-12' }))).toBe('press-12: door open is over')
    expect(say(leaf('user.login', { userId: 'p-1', success: false }))).toBe('p-1 could not sign in')
    expect(say(leaf('alarm.state', { ...limit, condition: 'Deviation.High', quantity: 'Deviation', value: 6, limit: 5, state: 'active' }))).toBe('press.temperature too far above its setpoint: 6 °C, limit 5 °C')
    const silent = { signal: 'press.temperature', condition: 'HeartbeatLost' }
    expect(say(leaf('alarm.state', { ...silent, state: 'active' }))).toBe('press.temperature sends no values')
    expect(say(leaf('alarm.state', { ...silent, state: 'cleared', value: 5 }))).toBe('press.temperature sends values again')
    expect(say(leaf('alarm.state', { condition: 'HeartbeatLost', state: 'active', count: 2, signals: ['a', 'b'] }))).toBe('2 signals send no values: a, b')
    expect(say(leaf('alarm.state', { signal: 'press.state', condition: 'UnexpectedState', state: 'cleared', value: 'running' }))).toBe('press.state is in an expected state again')
    expect(say(leaf('alarm.state', { source: 'hydraulics', condition: 'OilLow', state: 'active', message: 'oil is low' }))).toBe('hydraulics: oil is low')
    expect(say(leaf('alarm.state', { source: 'hydraulics', condition: 'OilLow', state: 'cleared', message: 'oil is low' }))).toBe('hydraulics OilLow: over')
    expect(say(leaf('signal.learning', { signal: 'oil', detector: 'novelty', state: 'watching' }), de)).toBe('oil: gelernt, ab jetzt überwacht')
    expect(say(leaf('station.production', { from: 'break', to: 'off' }), de)).toBe('Linie: Pause → aus')
  })
  it('use what is there when fields are missing', () => {
    expect(say(leaf('quality.check', { result: 'fail' }))).toBe('Quality check: failed')
    expect(say(leaf('user.login', {}, { user_id: 'p-' + '9f'.repeat(16) }))).toBe('p-9f9f9f9f signed in')
    expect(say(leaf('user.login', {}))).toBe('Someone signed in')
  })
  it('bear types and data that nobody foresaw', () => {
    expect(say(leaf('x.acme.panel_done', { panel: 4711, ok: true, list: [1] }))).toBe('Panel done: panel 4711, ok yes')
    expect(say(leaf('quality.check', { characteristic: { a: 1 }, value: [1, 2], result: null }))).toBe('a 1 1, 2')
    expect(say({ event_type: 'x.y', station: '' } as Leaf)).toBe('X y')
    expect(say(leaf('constructor', { a: 1 }))).toBe('Constructor: a 1')
    expect(say(leaf('equipment.status', { status: 'constructor', previous: '__proto__' }, { equipment: 'press' }))).toBe('press: constructor, was __proto__')
    expect(measure(1, 'constructor', 'en-GB')).toBe('1\u2009constructor')
  })
  it.each([['en', en], ['de', de]] as const)('exist for each type of the catalogue: %s', (_, book) => {
    for (const type of types) if (!hidden.has(type)) expect(book.sentences[type], type).toBeDefined()
  })
  it('have in each language a last one that needs nothing, or one field that is always there', () => {
    for (const book of [en, de]) {
      for (const [type, list] of Object.entries(book.sentences)) {
        const last = list.at(-1)!
        if (!/^(quality\.check|session|signal)/.test(type)) expect(last.includes('{') ? list.length : 2, type).toBeGreaterThan(1)
      }
      expect(Object.keys(book.sentences)).toEqual(Object.keys(en.sentences))
    }
  })
  it('name the same fields in both languages', () => {
    const names = (list: readonly string[]) => list.map(t => [...t.matchAll(/\{(\??\w+)/g)].map(m => m[1]).sort().join())
    for (const type of Object.keys(en.sentences)) expect(names(de.sentences[type]!), type).toEqual(names(en.sentences[type]!))
  })
})

describe('numbers', () => {
  it('have at most three digits, the unit after a thin space', () => {
    expect(measure(63.149, 'degC', 'en-GB')).toBe('63.1\u2009°C')
    expect(figure(0.00012345, 'en-GB')).toBe('0.000123')
    expect(figure(15_230.6, 'de')).toBe('15.231')
    expect([850, 12_400, 180_000, 9_000_000].map(ms => duration(ms, 'en-GB').replace('\u2009', ' '))).toEqual(['850 ms', '12.4 s', '3 min', '2.5 h'])
  })
})

describe('languages', () => {
  it('are the chosen one, else the first of the browser that exists', () => {
    expect(preferredLanguage('de', ['en'])).toBe('de')
    expect(preferredLanguage(null, ['fr-FR', 'de-AT', 'en'])).toBe('de')
    expect(preferredLanguage('xx', ['fr'])).toBe('en')
  })
  it('fill what is known and leave the rest', () => expect(fill('{a} of {b}', { a: 1 })).toBe('1 of {b}'))
  it('write types as words', () => expect(typeWords('audit.config_change')).toBe('Audit config change'))
})
