// Sentences for events. A catalogue has for each type a list of templates, best
// first; the first whose fields the event has is taken. {field} is text,
// {field:n} a number with the event's unit, {field:d} milliseconds as a duration,
// {field:w} a word of the catalogue, {field:s} the last part of a path,
// {field:t} a time. {?field=value} writes nothing and asks for that value; a.0.b is
// field b of the first of a list.

import type { Fields, Json, Leaf } from '../api/types'
import { said, type SaidTable } from './said'

export interface SentenceBook {
  locale: string
  sentences: Record<string, readonly string[]>
  words: Record<string, string>
  /** Why a detector speaks, for languages that do not take the station's own sentence. */
  explained: Record<string, readonly string[]>
  said: SaidTable
}

const hole = /\{(\??)([A-Za-z0-9_.]+)(?::([ndwst])|=([^}]*))?\}/g

/** What a table has under a name that comes from outside: "constructor" is in no table. */
const own = <T>(table: Record<string, T>, name: string): T | undefined => Object.hasOwn(table, name) ? table[name] : undefined

/** The event in one plain sentence. */
export function sentence(leaf: Leaf, book: SentenceBook, clock: (iso: string) => string): string {
  return first(own(book.sentences, leaf.event_type), leaf, book, clock) ?? fallback(leaf, leaf.event_data ?? {}, book)
}

/** Why, for an event that a detector explains: lang is the language of the text where it is not the page's. */
export function explanation(leaf: Leaf, book: SentenceBook, clock: (iso: string) => string): { text: string; lang?: string } | undefined {
  const text = leaf.event_data?.explanation
  if (typeof text !== 'string' || !text) return undefined
  const translated = first(own(book.explained, leaf.event_type), leaf, book, clock)
  if (translated !== undefined) return { text: translated }
  // What integrators' types say may be in any language.
  return own(book.sentences, leaf.event_type) && !book.locale.startsWith('en') ? { text, lang: 'en' } : { text }
}

/** The first template whose fields the event has. */
function first(templates: readonly string[] | undefined, leaf: Leaf, book: SentenceBook, clock: (iso: string) => string): string | undefined {
  for (const template of templates ?? []) {
    const text = fill(template, leaf, leaf.event_data ?? {}, book, clock)
    if (text !== undefined) return text
  }
  return undefined
}

function fill(template: string, leaf: Leaf, data: Fields, book: SentenceBook, clock: (iso: string) => string): string | undefined {
  let missing = false
  const text = template.replace(hole, (_, ask: string, name: string, kind: string | undefined, wanted: string | undefined) => {
    const value = lookup(name, leaf, data)
    if (ask) {
      missing ||= String(value) !== wanted
      return ''
    }
    if (value === undefined || value === null || value === '') { missing = true; return '' }
    return show(value, kind, data, book, clock)
  })
  return missing ? undefined : text
}

/** A field of event_data, or of the envelope by its name. */
function lookup(name: string, leaf: Leaf, data: Fields): Json | undefined {
  let value: Json | undefined = data
  for (const key of name.split('.')) {
    value = part(value, key)
  }
  if (value !== undefined) return value
  if (name === 'equipmentId') return leaf.equipment ?? undefined
  if (name === 'stationId' || name === 'station') return leaf.station
  if (name === 'userId') return leaf.user_id
  if (name === 'signal') return leaf.signal
  if (name === 'type') return leaf.event_type
  return undefined
}

function part(value: Json | undefined, key: string): Json | undefined {
  if (Array.isArray(value)) return /^\d$/.test(key) ? value[Number(key)] : undefined
  return value !== null && typeof value === 'object' ? own(value, key) : undefined
}

function show(value: Json, kind: string | undefined, data: Fields, book: SentenceBook, clock: (iso: string) => string): string {
  if (kind === 'w') return word(value, book)
  if (kind === 's') return String(value).split('/').pop()!
  if (kind === 't') return clock(String(value))
  if (kind === 'd') return typeof value === 'number' ? duration(value, book.locale) : plain(value, book)
  if (kind === 'n') {
    const unit = typeof data.unit === 'string' ? data.unit : ''
    return typeof value === 'number' ? measure(value, unit, book.locale) : plain(value, book)
  }
  return plain(value, book)
}

function word(value: Json, book: SentenceBook): string {
  if (value !== null && typeof value === 'object') return plain(value, book)
  const key = String(value)
  return own(book.words, key.toLowerCase()) ?? said(key, book.said)
}

/** Any value as short text; numbers as they are, they may be part numbers. */
export function plain(value: Json, book: SentenceBook): string {
  if (value === null) return '–'
  if (typeof value === 'boolean') return book.words[String(value)] ?? String(value)
  if (typeof value === 'string') return person(value)
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : figure(value, book.locale)
  if (Array.isArray(value)) return value.map(v => plain(v, book)).join(', ')
  return Object.entries(value).map(([k, v]) => `${k} ${plain(v, book)}`).join(', ')
}

/** A pseudonym is 32 digits; the first eight tell people apart. */
export const person = (text: string): string => /^p-[0-9a-f]{32}$/.test(text) ? text.slice(0, 10) : text

const figures = new Map<string, Intl.NumberFormat>()

/** At most 3 significant digits below 1,000, whole above. */
export function figure(value: number, locale: string): string {
  const large = Math.abs(value) >= 1000
  const key = locale + large
  let format = figures.get(key)
  if (!format) {
    format = new Intl.NumberFormat(locale, large ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 })
    figures.set(key, format)
  }
  return format.format(value)
}

const symbols: Record<string, string> = { degC: '°C', Cel: '°C', degF: '°F', pct: '%', percent: '%', um: 'µm' }

/** Number, thin space, unit. */
export function measure(value: number, unit: string, locale: string): string {
  return unit ? `${figure(value, locale)}\u2009${own(symbols, unit) ?? unit}` : figure(value, locale)
}

/** Milliseconds as "850 ms", "12.4 s", "3 min", "2.5 h". */
export function duration(ms: number, locale: string): string {
  const abs = Math.abs(ms)
  if (abs < 1000) return measure(ms, 'ms', locale)
  if (abs < 120_000) return measure(ms / 1000, 's', locale)
  if (abs < 7_200_000) return measure(ms / 60_000, 'min', locale)
  return measure(ms / 3_600_000, 'h', locale)
}

/** "quality.check" becomes "Quality check"; x.owner.name drops the owner. */
export function typeWords(type: string): string {
  const parts = type.split('.')
  const text = (parts[0] === 'x' && parts.length > 2 ? parts.slice(2) : parts).join(' ').replaceAll('_', ' ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function fallback(leaf: Leaf, data: Fields, book: SentenceBook): string {
  const facts = Object.entries(data)
    .filter(([, v]) => v !== null && typeof v !== 'object')
    .slice(0, 3)
    .map(([k, v]) => `${k} ${plain(v, book)}`)
  const name = typeWords(leaf.event_type)
  return facts.length ? `${name}: ${facts.join(', ')}` : name
}
