// The search language, as shared/query reads it (one table of cases for both).
// The server decides what matches; here the text is checked while it is typed,
// taken apart for the chips, and written with absolute times for links.

import { nearest } from './nearest'
import { canonical } from './queryvalue'
import { rfc3339 } from './time'

export const fields = [
  'station', 'type', 'severity', 'class', 'user', 'equipment', 'signal', 'correlation', 'ip', 'id', 'log', 'agent', 'data', 'since', 'until',
] as const
export type Field = (typeof fields)[number] | 'word'
export type Op = ':' | '>=' | '<=' | '>' | '<'

/** One condition; values are canonical, see Go's query.Term. */
export interface Term {
  field: Field
  /** Keys below event_data for the field data. */
  path: string[]
  op: Op
  not: boolean
  values: string[]
}

export interface Query { terms: Term[] }

/** A mistake in a text; pos and len count UTF-16 units. */
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

const MAX_TEXT = 4096 // bytes
const MAX_TERMS = 64
const MAX_VALUES = 256

/** Parses a filter text; throws QueryError. Relative times count back from now (ms). */
export function parse(text: string, now: number): Query {
  const kept = new TextEncoder().encodeInto(text, new Uint8Array(MAX_TEXT)).read
  if (kept < text.length) throw new QueryError(kept, text.length - kept, 'text is too long')
  const nul = text.indexOf('\u0000')
  if (nul >= 0) throw new QueryError(nul, 1, 'no text has a NUL')
  return new Parser(text, now).query()
}

const space = /[ \t\n\r\u00a0]/
const names: Record<string, string> = { event_type: 'type', user_id: 'user', source_ip: 'ip', correlation_id: 'correlation', event_data: 'data' }

class Parser {
  private i = 0
  private readonly text: string
  private readonly now: number

  constructor(text: string, now: number) {
    this.text = text
    this.now = now
  }

  query(): Query {
    const terms: Term[] = []
    for (this.space(); this.i < this.text.length; this.space()) {
      if (terms.length === MAX_TERMS) this.fail(this.i, this.text.length, 'too many terms')
      terms.push(this.term())
    }
    return { terms }
  }

  private fail(from: number, to: number, message: string, suggestion = ''): never {
    throw new QueryError(from, to - from, message, suggestion)
  }

  private space(): void {
    while (this.i < this.text.length && space.test(this.text[this.i]!)) this.i++
  }

  /** Reads up to white space, a quote or the stop. */
  private bare(stop: string): string {
    const from = this.i
    while (this.i < this.text.length && !space.test(this.text[this.i]!) && this.text[this.i] !== '"' && this.text[this.i] !== stop) this.i++
    return this.text.slice(from, this.i)
  }

  /** Reads a text between quotes, in which a backslash takes the meaning from a quote or a backslash. */
  private quoted(): string {
    const from = this.i
    let out = ''
    for (this.i++; this.i < this.text.length; this.i++) {
      const c = this.text[this.i]!, next = this.text[this.i + 1]
      if (c === '"') {
        this.i++
        return out
      }
      if (c === '\\' && (next === '"' || next === '\\')) out += this.text[++this.i]
      else out += c
    }
    return this.fail(from, this.text.length, 'closing quote is missing', this.text.slice(from) + '"')
  }

  /** A quoted text must not be glued to what follows. */
  private ended(stop: string): void {
    const c = this.text[this.i]
    if (c === undefined || space.test(c) || c === stop) return
    this.fail(this.i, this.text.length, 'a space is missing after the quote')
  }

  private term(): Term {
    const from = this.i
    const not = this.text[from] === '-'
    if (not) {
      this.i++
      const c = this.text[this.i]
      if (c === undefined || space.test(c)) this.fail(from, this.i, 'nothing stands after the minus')
    }
    const n = fieldLike(this.text.slice(this.i))
    return n > 0 ? this.field(not, n) : this.word(not)
  }

  private word(not: boolean): Term {
    const from = this.i
    let value: string
    if (this.text[this.i] === '"') {
      value = this.quoted()
      this.ended('')
    } else {
      value = this.bare('')
      if (this.text[this.i] === '"') this.fail(this.i, this.i + 1, 'a quote must stand at the start of a word')
    }
    if (!/[\p{L}\p{Nd}\p{M}]/u.test(value)) this.fail(from, this.i, 'a word needs letters or digits')
    return { field: 'word', path: [], op: ':', not, values: [value] }
  }

  private field(not: boolean, n: number): Term {
    const from = this.i
    const { name, path } = this.name(n)
    this.i = from + n
    const at = this.i
    const op = this.op()
    const time = name === 'since' || name === 'until'
    if (op !== ':' && name !== 'severity') this.fail(at, this.i, `only severity can be compared; ${name} takes a colon`, ':')
    if (time && not) this.fail(from - 1, this.i, "a time can't be excluded; turn since and until round")
    const values: string[] = []
    for (;;) {
      values.push(this.value(name))
      if (this.text[this.i] !== ',') return { field: name, path, op, not, values }
      if (op !== ':' || time) this.fail(this.i, this.i + 1, 'one value is all that fits here')
      if (values.length === MAX_VALUES) this.fail(this.i, this.i + 1, 'too many values')
      this.i++
    }
  }

  private op(): Op {
    const c = this.text[this.i++]
    if (c !== '>' && c !== '<') return ':'
    if (this.text[this.i] !== '=') return c
    this.i++
    return `${c}=`
  }

  /** Resolves the field name and path in the next n characters. */
  private name(n: number): { name: Field; path: string[] } {
    const from = this.i, all = this.text.slice(from, from + n)
    const dot = all.indexOf('.')
    const first = dot < 0 ? all : all.slice(0, dot)
    const lower = first.toLowerCase(), name = names[lower] ?? lower
    if (!(fields as readonly string[]).includes(name)) this.unknown(first, name, from, n)
    if (dot >= 0 && name !== 'data') this.fail(from, from + n, 'only data has fields below it')
    if (dot < 0 && name === 'data') this.fail(from, from + n, 'data needs the name of a field: data.panel', 'data.panel')
    if (dot < 0) return { name: name as Field, path: [] }
    this.i = from + dot
    return { name: 'data', path: this.path(from + n) }
  }

  private unknown(first: string, name: string, from: number, n: number): never {
    const meant = nearest(name, fields)
    if (meant) this.fail(from, from + first.length, 'no field is called ' + first, meant)
    let whole = from + n
    while (whole < this.text.length && !space.test(this.text[whole]!) && this.text[whole] !== '"') whole++
    return this.fail(from, whole, `no field is called ${first}; put quotes around free words`, quote(this.text.slice(from, whole)))
  }

  private path(end: number): string[] {
    const path: string[] = []
    while (this.i < end) {
      this.i++
      if (this.i < end && this.text[this.i] === '"') {
        path.push(this.quoted())
        continue
      }
      const from = this.i
      while (this.i < end && this.text[this.i] !== '.') this.i++
      path.push(this.text.slice(from, this.i))
    }
    return path
  }

  private value(field: Field): string {
    const from = this.i
    let text: string
    if (this.text[this.i] === '"') {
      text = this.quoted()
      this.ended(',')
    } else {
      text = this.bare(',')
      if (this.text[this.i] === '"') this.fail(this.i, this.i + 1, 'a quote must stand at the start of a value')
      if (text === '') this.fail(from, this.i, 'a value is missing after ' + field)
    }
    const result = canonical(field, text, this.now)
    return 'value' in result ? result.value : this.fail(from, this.i, result.message, result.suggestion)
  }
}

const nameChar = /[A-Za-z0-9_-]/

/** Length of the field name, with its path, that s begins with, if an operator follows; else 0. */
function fieldLike(s: string): number {
  let i = 0
  while (i < s.length) {
    const from = i
    if (s[i] === '"' && i > 0) {
      for (i++; i < s.length && s[i] !== '"'; i++) if (s[i] === '\\') i++
      i++
    } else {
      while (i < s.length && nameChar.test(s[i]!) && !(s[i] === '-' && i === from)) i++
    }
    if (i === from || i >= s.length || (from === 0 && /[0-9]/.test(s[0]!))) return 0
    if (s[i] === '.') i++
    else return /[:=<>]/.test(s[i]!) ? i : 0
  }
  return 0
}

const quote = (text: string): string => `"${text.replace(/[\\"]/g, c => '\\' + c)}"`
const quoteKey = (text: string): string => /^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(text) ? text : quote(text)
const quoteValue = (text: string): string => text === '' || /[ \t\n\r\u00a0,"]/.test(text) ? quote(text) : text
const quoteWord = (text: string): string =>
  text === '' || text[0] === '-' || fieldLike(text) > 0 || /[ \t\n\r\u00a0"]/.test(text) ? quote(text) : text

/** Canonical text of one term. */
export function termText(t: Term): string {
  const minus = t.not ? '-' : ''
  if (t.field === 'word') return minus + quoteWord(t.values[0]!)
  return minus + [t.field, ...t.path.map(quoteKey)].join('.') + t.op + t.values.map(quoteValue).join(',')
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
