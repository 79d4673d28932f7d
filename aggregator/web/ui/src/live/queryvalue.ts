// The one form of each value of the search language, or what is wrong with it;
// as shared/query does it.

import { severities } from '../api/types'
import { address, prefix } from './ip'
import { nearest } from './nearest'

/** A canonical value, or a message and perhaps a suggestion. */
export type Value = { value: string } | { message: string; suggestion?: string }

const classes = ['security', 'manufacturing', 'performance', 'debug']

export function canonical(field: string, text: string, now: number): Value {
  switch (field) {
    case 'station': return station(text)
    case 'type': return type(text)
    case 'severity': return oneOf(text, 'severity', severities)
    case 'class': return oneOf(text, 'class', classes)
    case 'ip': return ip(text)
    case 'id': return id(text)
    case 'since':
    case 'until': return time(text, now)
    case 'data': return { value: text }
  }
  return text === '' ? { message: 'a value is missing' } : { value: text }
}

function oneOf(text: string, what: string, known: readonly string[]): Value {
  const lower = text.toLowerCase()
  if (known.includes(lower)) return { value: lower }
  return { message: `${what} is one of ${known.join(', ')}`, suggestion: nearest(lower, known) }
}

function station(text: string): Value {
  const lower = text.toLowerCase()
  if (!/^[a-z0-9._\-/*]*$/.test(lower)) return { message: 'a station has only a-z, 0-9, . _ - / and the stars' }
  const trimmed = lower.replace(/^\//, '')
  if (trimmed === '' || trimmed.endsWith('/') || trimmed.startsWith('/') || trimmed.includes('//')) {
    return { message: 'a segment of the station is empty', suggestion: lower.replace(/^\/+|\/+$/g, '').replace(/\/{2,}/g, '/') }
  }
  if (lower.includes('***')) return { message: 'three stars have no meaning', suggestion: lower.replaceAll('***', '**') }
  return { value: lower }
}

function type(text: string): Value {
  const lower = text.toLowerCase()
  if (!/^[a-z0-9._*]*$/.test(lower)) return { message: 'a type has only a-z, 0-9, _ . and the stars' }
  if (lower === '' || lower.startsWith('.') || lower.endsWith('.') || lower.includes('..')) {
    const base = lower.replace(/^\.+|\.+$/g, '')
    return { message: 'a segment of the type is empty', suggestion: base && !base.includes('..') ? base + '.*' : '' }
  }
  return { value: /[.*]/.test(lower) ? lower : lower + '.**' } // a group, such as type:user
}

function ip(text: string): Value {
  if (text.includes('/')) {
    const value = prefix(text)
    return value ? { value } : { message: 'this is no prefix such as 10.0.0.0/8' }
  }
  const value = address(text)
  return value ? { value } : { message: 'this is no IP address' }
}

function id(text: string): Value {
  const lower = text.toLowerCase()
  return /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(lower) ? { value: lower } : { message: 'an id is a whole UUID' }
}

const DAY = 86_400_000
const units: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: DAY, w: 7 * DAY }

/** ms of a duration like 2h, undefined when it is none. */
export function durationOf(text: string): number | undefined {
  const m = /^(\d{1,8})([smhdw])$/i.exec(text)
  if (!m) return undefined
  const ms = Number(m[1]) * units[m[2]!.toLowerCase()]!
  return ms <= 200 * 366 * DAY ? ms : undefined
}

function time(text: string, now: number): Value {
  const ago = durationOf(text)
  if (ago !== undefined) return stamp(Math.floor(now - ago), '')
  const m = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text.toUpperCase())
  const help = { message: 'a time is 30m, 2h, 3d, 1w or 2026-11-22T10:00Z' }
  if (!m) return help
  const [year, month, day, hour, minute, second] = m.slice(1, 7).map(v => Number(v ?? 0)) as [number, number, number, number, number, number]
  const local = new Date(0)
  local.setUTCFullYear(year, month - 1, day)
  if (local.getUTCMonth() !== month - 1 || local.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) return help
  local.setUTCHours(hour, minute, second)
  const zone = m[8] && m[8] !== 'Z' ? m[8] : '+00:00'
  const hours = Number(zone.slice(1, 3)), minutes = Number(zone.slice(4))
  if (hours > 24 || minutes > 59) return help
  const offset = (hours * 60 + minutes) * 60_000 * (zone[0] === '-' ? -1 : 1)
  return stamp(local.getTime() - offset, (m[7] ?? '').slice(0, 9))
}

/** RFC 3339 UTC; nanos are the digits after the point, replacing those of ms. */
function stamp(ms: number, nanos: string): Value {
  const at = new Date(ms)
  const year = at.getUTCFullYear()
  if (!(year >= 1970 && year <= 2199)) return { message: 'years 1970 to 2199 can be searched' }
  const iso = at.toISOString()
  const digits = (nanos || iso.slice(20, 23)).replace(/0+$/, '')
  return { value: iso.slice(0, 19) + (digits && '.' + digits) + 'Z' }
}
