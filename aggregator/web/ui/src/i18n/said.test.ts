import { describe, expect, it } from 'vitest'
import problemGo from '../../../../api/problem.go?raw'
import droppedGo from '../../../../api/dropped.go?raw'
import bundleGo from '../../../../api/bundle.go?raw'
import verifyGo from '../../../../../shared/cmd/linewatch-verify/text.go?raw'
import parseGo from '../../../../../shared/event/parse.go?raw'
import partsGo from '../../../../../shared/event/parse_parts.go?raw'
import cases from '../../../../../shared/query/testdata/cases.json'
import catalogue from '../../../../../shared/event/catalogue.csv?raw'
import type { Fields, Leaf } from '../api/types'
import { de } from './de'
import { explained } from './explained.de'
import { en } from './index'
import { said } from './said'
import { explanation, sentence } from './sentence'

const german = (text: string) => said(text, de.said)

/** Texts of Go sources, with something in the place of what is filled in. */
const literals = (source: string, before: RegExp): string[] =>
  [...source.matchAll(new RegExp(before.source + '"((?:[^"\\\\]|\\\\.)*)"', 'g'))].map(m => m[1]!.replace(/%[a-z]/g, 'X1'))

describe('what programs say in English', () => {
  it.each([...new Set(cases.bad.map(c => c.message))])('is said in German: %s', message => {
    expect(german(message)).not.toBe(message)
    expect(said(message, en.said)).toBe(message)
  })
  it('is said in German where the server refuses', () => {
    const details = [...literals(problemGo, /Detail: /), ...literals(droppedGo, /Detail = fmt\.Sprintf\(/)]
    expect(details.length).toBeGreaterThanOrEqual(8)
    for (const text of details) expect(german(text), text).not.toBe(text)
  })
  it('is said in German where an event is not as it should be', () => {
    const texts = [...literals(parseGo, /problem\(\w+, /), ...literals(partsGo, /problem\([^,]+, /), ...literals(parseGo, /\treturn /), ...literals(partsGo, /\treturn /)].filter(Boolean)
    expect(texts.length).toBeGreaterThan(10)
    for (const text of texts) expect(german(text), text).not.toBe(text)
  })
  it('keeps what differs', () => {
    expect(german('no field is called colour; put quotes around free words')).toBe('kein Feld heißt colour; setzen Sie freie Wörter in Anführungszeichen')
    expect(german('no field is called sev')).toBe('kein Feld heißt sev')
    expect(german('leaf 7 of linewatch/a/security/b was dropped (30 days). Its hash ff stays in the tree: whoever kept the leaf or a bundle can still prove it')).toContain('Blatt 7 von linewatch/a/security/b wurde nach Ablauf gelöscht (30 days). Sein Hash ff')
  })
  it('stays as it is where nobody has words for it', () => {
    for (const text of ['dial tcp 10.0.0.1:4840: connection refused', 'constructor', '__proto__', '']) expect(german(text)).toBe(text)
  })
  it('is a reason in a title, too', () => {
    const leaf = { event_type: 'log.succeeded', station: 'a', event_data: { reason: 'the aggregator has 9 leaves, this journal only 4: state was rolled back' } } as unknown as Leaf
    expect(sentence(leaf, de, String)).toBe('Ein neues Log führt weiter: der Server hat 9 Blätter, dieses Journal nur 4: es kam aus einem älteren Stand')
    expect(sentence(leaf, en, String)).toBe('A new log goes on: the aggregator has 9 leaves, this journal only 4: state was rolled back')
  })
})

describe('the words of the verdict', () => {
  it('are the same in the tool, the API and the page', () => {
    const words = en.evidence.consistent.toLowerCase()
    expect(words).toBe('agrees with itself, not anchored')
    expect(bundleGo).toContain(words)
    expect(verifyGo.toLowerCase()).toContain(words)
  })
})

const when = '2026-11-22T04:02:00Z'
const limit = { condition: 'High', value: 91.4, limit: 90, extreme: 93, unit: 'degC', since: when, activeMs: 65_000 }
const point = { value: 47.1, center: 42, low: 40, high: 44, baseline: 3, oncePerPoints: 370 }
const unusual = { detector: 'novelty', metric: 'oil', value: 9.5, unit: 'bar', expected: { low: 4, high: 6 }, seen: { low: 3, high: 7 }, marks: { count: 4, days: 12.5 }, persists: false }

/** Events as the detectors of the agent write them, and what the German page says. */
const examples: [string, Fields, string][] = [
  ['alarm.state', { ...limit, state: 'active' }, 'p ist 91,4 °C, die Grenze 90 °C; verletzt seit 04:02.'],
  ['alarm.state', { ...limit, state: 'active', raises: 5 }, 'p ist 91,4 °C, die Grenze 90 °C; verletzt seit 04:02. In kurzer Zeit 5-mal gekommen: weitere werden gezählt und nicht gemeldet.'],
  ['alarm.state', { ...limit, state: 'cleared', value: 88 }, 'p liegt mit 88 °C wieder in der Grenze 90 °C; am weitesten war der Wert 93 °C, es dauerte 65 s.'],
  ['alarm.state', { ...limit, state: 'cleared', quantity: 'Deviation', value: 2 }, 'Die Abweichung vom Sollwert liegt mit 2 °C wieder in der Grenze 90 °C; am weitesten war sie 93 °C, es dauerte 65 s.'],
  ['alarm.state', { ...limit, state: 'cleared', reason: 'suppressed by design: the line is off or in maintenance' }, 'p wird nicht überwacht, solange die Linie aus oder in Wartung ist.'],
  ['alarm.state', { condition: 'HeartbeatLost', state: 'active', since: when, value: 5 }, 'p liefert seit 04:02 keinen Wert; der letzte war 5.'],
  ['alarm.state', { condition: 'HeartbeatLost', state: 'active', since: when, count: 2, signals: ['a', 'b'] }, '2 Signale liefern seit 04:02 keine Werte mehr: a, b.'],
  ['alarm.state', { condition: 'Flatline', state: 'active', since: when, value: 5 }, 'p steht seit 04:02 auf 5, länger als je zuvor oder als eingestellt.'],
  ['alarm.state', { condition: 'StateTooLong', alarmType: 'OffNormalAlarmType', state: 'active', since: when, value: 'blocked' }, 'p: blockiert, seit 04:02; das ist länger als eingestellt.'],
  ['alarm.state', { condition: 'UnexpectedState', alarmType: 'OffNormalAlarmType', state: 'cleared', value: 'running' }, 'p: jetzt läuft.'],
  ['quality.trend', { characteristic: 'Torque', rule: 'nelson 1', stats: point, unit: 'Nm' }, 'Regel: außerhalb der Eingriffsgrenzen. Jetzt 47,1 Nm; das Mittel der Basis 3 ist 42 Nm, die Eingriffsgrenzen sind 40 Nm und 44 Nm. Rein zufällig geschieht das etwa einmal in 370 Punkten.'],
  ['spc.baseline', { center: 42, low: 40, high: 44, subgroups: 25, outside: 0 }, 'Mittel 42, Eingriffsgrenzen 40 bis 44, aus 25 Stichproben; 0 davon lagen außerhalb.'],
  ['signal.invalid', { problem: 'infinite', state: 'begun' }, 'Ein Wert von p war nicht zu gebrauchen (unendlich). Er wird ausgelassen, gelernt wird nichts daraus.'],
  ['signal.invalid', { problem: 'unit', state: 'begun', from: 'degC', to: 'K' }, 'p kommt jetzt in K statt in degC; was in der alten Einheit gelernt war, ist vergessen.'],
  ['signal.invalid', { problem: 'text', state: 'over', count: 3 }, 'p liefert wieder brauchbare Werte; 3 waren nicht zu gebrauchen.'],
  ['signal.learning', { state: 'watching', detector: 'novelty' }, 'Genug gelernt: was neu ist, wird ab jetzt gemeldet.'],
  ['signal.forecast', { state: 'expected', limit: 'High', limitValue: 90, level: 80, perHour: 2, soonestMs: 7_200_000, latestMs: 10_800_000, cameTrue: 0, failed: 0 }, 'Jetzt 80, Änderung 2 in der Stunde: die Grenze 90 ist in 2 h bis 3 h zu erwarten.'],
  ['signal.forecast', { state: 'withdrawn', limit: 'High', limitValue: 90 }, 'p läuft nicht mehr auf die Grenze 90 zu.'],
  ['signal.counter_reset', { reason: 'ran over', value: 3, previous: 65_530 }, 'Der Zähler lief über: 3 nach 65.530. Differenzen über diesen Augenblick sagen nichts.'],
  ['anomaly.detected', { ...unusual, reasons: [{ view: 'range' }] }, '9,5 bar kam noch nie vor; bisher waren es 3 bar bis 7 bar. Auffälligkeit Nummer 4 dieses Signals in 12,5 Tagen.'],
  ['anomaly.detected', { ...unusual, persists: true, lastedMs: 7_200_000 }, 'Seit 2 h ungewöhnlich. Jetzt 9,5 bar, üblich sind 4 bar bis 6 bar.'],
  ['anomaly.detected', { detector: 'states', metric: 'mode', value: 'x', expected: 'a, b', window: 40 }, 'mode ist x; das kam bei 40 Wechseln nie vor. Bekannt sind: a, b.'],
  ['anomaly.group', { count: 3, signals: 'a, b, c', alert: true, reason: 'Alert: 3 signals at once.' }, '3 Signale waren innerhalb kurzer Zeit ungewöhnlich. Meldung: 3 Signale auf einmal.'],
  ['anomaly.budget', { previous: 2, threshold: 2.2, refused: 3 }, 'Die Schwelle ging von 2 auf 2,2: in der letzten Schicht mit Produktion waren 3 Meldungen mehr, als ihr zustehen.'],
  ['station.production', { from: 'break', to: 'production', source: 'calendar' }, 'So steht es im Kalender.'],
  ['security.violation', { rule: 'mode_change_unattended', subject: 'nobody', evidence: { from: 'auto', to: 'manual' } }, 'Die Betriebsart wechselte von Automatik nach Hand, und niemand war angemeldet.'],
  ['time.drift', { source: 'press', offsetMs: 95_000 }, 'Die Uhr von press geht um 95 s anders als die dieser Station; gerechnet wird mit der Uhr der Station.'],
]

describe('why a detector speaks', () => {
  const leaf = (event_type: string, event_data: Fields) => ({ event_type, event_data: { ...event_data, explanation: 'In English.' }, station: 'a', signal: 'p' }) as unknown as Leaf
  const clock = (iso: string) => iso.slice(11, 16)

  it.each(examples)('is said in German from the fields: %s %#', (type, data, text) => {
    expect(explanation(leaf(type, data), de, clock)!.text.replaceAll('\u2009', ' ')).toBe(text)
    expect(explanation(leaf(type, data), en, clock)).toEqual({ text: 'In English.' })
  })
  it('has an example for each type, and each is in the catalogue', () => {
    expect(Object.keys(explained).sort()).toEqual([...new Set(examples.map(([type]) => type))].sort())
    for (const type of Object.keys(explained)) expect(catalogue).toContain(`\n${type},`)
  })
  it('stays the sentence of the station where fields are missing, marked as English', () => {
    expect(explanation(leaf('quality.trend', {}), de, clock)).toEqual({ text: 'In English.', lang: 'en' })
    expect(explanation(leaf('user.login', {}), de, clock)).toEqual({ text: 'In English.', lang: 'en' })
    expect(explanation(leaf('x.acme.done', {}), de, clock)).toEqual({ text: 'In English.' })
  })
  it('is nothing without a sentence of the station', () => {
    expect(explanation({ event_type: 'signal.learning', event_data: { state: 'watching' } } as unknown as Leaf, de, clock)).toBeUndefined()
  })
})
