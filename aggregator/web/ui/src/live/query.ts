// The search language, as shared/query reads it (one table of cases for both).
// The server decides what matches; here the text is checked while it is typed,
// taken apart for the chips, and written with absolute times for links.

import { severities } from '../api/types'
import { rfc3339 } from './time'

export const fields = [
  'station', 'type', 'severity', 'class', 'user', 'equipment', 'signal', 'correlation', 'ip', 'id', 'log', 'agent',
  'data', 'since', 'until',
] as const
export type Field = (typeof fields)[number] | 'word'
export type Op = ':' | '>=' | '<=' | '>' | '<'

export interface Term {
  field: Field
  /** Keys below event_data for the field data. */
  path: string[]
  op: Op
  not: boolean
  values: string[]
  /** Place in the text that was parsed, in UTF-16 units. */
  pos: number
  end: number
}

export interface Query { terms: Term[] }

export class QueryError extends Error {
  readonly pos: number
  readonly len: number
  readonly suggestion: string

  constructor(pos: number, len: number, message: string, suggestion = '') {
    super(message)
    this.pos = pos
    this.len = len
    this.suggestion = suggestion
  }
}

const classes = ['security', 'manufacturing', 'performance', 'debug']
const ordered = new Set<Field>(['severity', 'since', 'until'])

/** Parses a filter text; throws QueryError. */
export function parse(text: string, now: number): Query {
  const terms: Term[] = []
  let at = 0
  while (at < text.length) {
    if (/\s/.test(text[at]!)) { at++; continue }
    const term = parseTerm(text, at, now)
    terms.push(term)
    at = term.end
  }
  return { terms }
}

function parseTerm(text: string, start: number, now: number): Term {
  let at = start
  const not = text[at] === '-'
  if (not) at++
  const head = /^([A-Za-z_][A-Za-z0-9_.-]*)(>=|<=|:|>|<)/.exec(text.slice(at))
  if (!head) {
    const [value, end] = readValue(text, at, false)
    if (value === '') throw new QueryError(start, 1, 'a word is missing after the minus sign')
    return { field: 'word', path: [], op: ':', not, values: [value], pos: start, end }
  }
  const { field, path } = readField(head[1]!, at)
  const op = head[2] as Op
  const valuesAt = at + head[0].length
  const { values, end } = readValues(text, valuesAt)
  const term: Term = { field, path, op, not, values, pos: start, end }
  check(term, at, valuesAt, now)
  return term
}

function readField(name: string, at: number): { field: Field; path: string[] } {
  const [first, ...path] = name.split('.')
  if (first === 'data' && path.length > 0 && path.every(p => p !== '')) return { field: 'data', path }
  if (name !== 'data' && (fields as readonly string[]).includes(name)) return { field: name as Field, path: [] }
  const close = nearest(name, fields)
  throw new QueryError(at, name.length, name === 'data' ? 'data needs a field: data.panel:4711' : `there is no field “${name}”`,
    name === 'data' ? 'data.' : close)
}

function readValues(text: string, start: number): { values: string[]; end: number } {
  const values: string[] = []
  let at = start
  for (;;) {
    const [value, end] = readValue(text, at, true)
    if (value === '' && text[at] !== '"') throw new QueryError(at, 1, 'a value is missing here')
    values.push(value)
    at = end
    if (text[at] !== ',') return { values, end: at }
    at++
  }
}

function readValue(text: string, start: number, list: boolean): [string, number] {
  if (text[start] !== '"') {
    let end = start
    while (end < text.length && !/\s/.test(text[end]!) && !(list && text[end] === ',')) end++
    return [text.slice(start, end), end]
  }
  let value = ''
  for (let at = start + 1; at < text.length; at++) {
    const ch = text[at]!
    if (ch === '"') return [value, at + 1]
    if (ch === '\\' && at + 1 < text.length) value += text[++at]
    else value += ch
  }
  throw new QueryError(start, text.length - start, 'the quotation mark is not closed', text.slice(start) + '"')
}

function check(term: Term, fieldAt: number, valuesAt: number, now: number): void {
  const { field, op, values } = term
  if (op !== ':' && !ordered.has(field) && field !== 'data') {
    throw new QueryError(fieldAt, valuesAt - fieldAt, `${field} can't be compared with ${op}`, `${field}:`)
  }
  const names = field === 'severity' ? severities : field === 'class' ? classes : undefined
  for (const value of values) {
    if (names && !(names as readonly string[]).includes(value)) {
      throw new QueryError(valuesAt, value.length, `“${value}” is no ${field}: ${names.join(', ')}`, nearest(value, names))
    }
  }
  if (field === 'since' || field === 'until') {
    const time = absolute(values[0]!, now)
    if (time === undefined) {
      throw new QueryError(valuesAt, values[0]!.length, `“${values[0]}” is no time: 15m, 2h, 7d or 2026-11-22T04:00:00Z`)
    }
    term.values = [rfc3339(time)]
  }
}

const units: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 7 * 86_400e3 }

/** ms of "2h" (before now) or of an RFC 3339 time or date; undefined when neither. */
export function absolute(text: string, now: number): number | undefined {
  const ago = /^(\d{1,6})([smhdw])$/.exec(text)
  if (ago) return now - Number(ago[1]) * units[ago[2]!]!
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

const plain = /^[^\s",\\]+$/

function quote(value: string, word: boolean): string {
  const ok = plain.test(value) && !(word && (value.startsWith('-') || /[:<>]/.test(value)))
  return ok ? value : `"${value.replace(/[\\"]/g, ch => '\\' + ch)}"`
}

/** Canonical text of one term. */
export function termText(t: Pick<Term, 'field' | 'path' | 'op' | 'not' | 'values'>): string {
  const minus = t.not ? '-' : ''
  if (t.field === 'word') return minus + quote(t.values[0]!, true)
  return minus + [t.field, ...t.path].join('.') + t.op + t.values.map(v => quote(v, false)).join(',')
}

/** Canonical text with absolute times. */
export const format = (q: Query): string => q.terms.map(termText).join(' ')

/** Adds a term to a text, unless it is there; a term that says the opposite goes. */
export function withTerm(text: string, term: string): string {
  const opposite = term.startsWith('-') ? term.slice(1) : '-' + term
  const kept = without(text, opposite)
  if (split(kept).includes(term)) return kept
  return [kept.trim(), term].filter(Boolean).join(' ')
}

/** Removes each term that is written exactly so. */
export function without(text: string, term: string): string {
  return split(text).filter(t => t !== term).join(' ')
}

/** Replaces since and until (undefined removes them). */
export function withRange(text: string, from: number | undefined, to: number | undefined): string {
  const rest = split(text).filter(t => !/^-?(since|until):/.test(t))
  if (from !== undefined) rest.push('since:' + rfc3339(from))
  if (to !== undefined) rest.push('until:' + rfc3339(to))
  return rest.join(' ')
}

/** Adds a second upper bound in time; the earlier one counts. */
export const withUntil = (text: string, ms: number): string => [text.trim(), 'until:' + rfc3339(ms)].filter(Boolean).join(' ')

/** The terms of a text as written, also of one that doesn't parse. */
export function split(text: string): string[] {
  return text.match(/(?:"(?:\\.|[^"\\])*"?|[^\s"])+/g) ?? []
}

/** since and until in ms, as far as the text has them. */
export function rangeOf(q: Query): { from?: number; to?: number } {
  const range: { from?: number; to?: number } = {}
  for (const t of q.terms) {
    if (t.not) continue
    if (t.field === 'since') range.from = Math.max(range.from ?? -Infinity, Date.parse(t.values[0]!))
    if (t.field === 'until') range.to = Math.min(range.to ?? Infinity, Date.parse(t.values[0]!))
  }
  return range
}

function nearest(name: string, known: readonly string[]): string {
  let best = '', least = 3
  for (const k of known) {
    const d = k.startsWith(name) && name.length > 1 ? 1 : distance(name, k)
    if (d < least) { least = d; best = k }
  }
  return best
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]!
}
