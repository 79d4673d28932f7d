// Time of the plant. Events carry UTC; people read the plant's clock with its
// offset. Intl is slow at hundreds of rows per second, so the offset is asked
// once per quarter of an hour (no zone changes at a finer step) and kept.

export type Zone = 'plant' | 'own' | 'utc'

const QUARTER = 15 * 60_000
const offsets = new Map<string, Map<number, number>>()
const formatters = new Map<string, Intl.DateTimeFormat>()

/** Name of the IANA zone for a choice of the person. */
export function zoneName(choice: Zone, plant: string): string {
  if (choice === 'utc') return 'UTC'
  if (choice === 'own') return Intl.DateTimeFormat().resolvedOptions().timeZone
  return plant || 'UTC'
}

/** Offset of a zone from UTC in ms at an instant (ms since 1970). */
export function offsetAt(ms: number, zone: string): number {
  if (zone === 'UTC') return 0
  let byQuarter = offsets.get(zone)
  if (!byQuarter) offsets.set(zone, (byQuarter = new Map()))
  const quarter = Math.floor(ms / QUARTER)
  const known = byQuarter.get(quarter)
  if (known !== undefined) return known
  if (byQuarter.size > 5000) byQuarter.clear()
  const found = measureOffset(quarter * QUARTER, zone)
  byQuarter.set(quarter, found)
  return found
}

function measureOffset(ms: number, zone: string): number {
  let format = formatters.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', era: 'short', year: 'numeric', month: 'numeric', day: 'numeric',
      hour: 'numeric', minute: 'numeric', second: 'numeric',
    })
    formatters.set(zone, format)
  }
  const part: Record<string, number> = {}
  for (const p of format.formatToParts(ms)) part[p.type] = Number(p.value)
  const local = Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!)
  return local - ms
}

const timeText = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/** Instant (ms) that a text names as RFC 3339 has it; undefined for other texts and
 *  for times that don't exist, such as the 0000-00-00T00:00:00Z of a controller without a clock. */
export function instant(text: string): number | undefined {
  const ms = timeText.test(text) ? Date.parse(text) : NaN
  return Number.isNaN(ms) ? undefined : ms
}

const pad = (n: number, width = 2) => String(n).padStart(width, '0')

/** "04:26:13.445" */
export function clockMs(ms: number, zone: string): string {
  const d = new Date(ms + offsetAt(ms, zone))
  return `${clock(ms, zone)}.${pad(d.getUTCMilliseconds(), 3)}`
}

/** "04:26:13" */
export function clock(ms: number, zone: string): string {
  const d = new Date(ms + offsetAt(ms, zone))
  return `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`
}

/** "04:26" */
export const minutes = (ms: number, zone: string): string => clock(ms, zone).slice(0, 5)

/** Number of the day in the zone: equal for two instants of one calendar day. */
export const dayOf = (ms: number, zone: string): number => Math.floor((ms + offsetAt(ms, zone)) / 86_400_000)

/** "22 Nov" in the language of the person. */
export function shortDay(ms: number, zone: string, locale: string): string {
  return dateFormat(locale, { day: 'numeric', month: 'short' }).format(ms + offsetAt(ms, zone))
}

/** "22 Nov 2026" */
export function longDay(ms: number, zone: string, locale: string): string {
  return dateFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' }).format(ms + offsetAt(ms, zone))
}

function dateFormat(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options)
  let format = formatters.get(key)
  // The instant is moved by the zone's offset already.
  if (!format) formatters.set(key, (format = new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' })))
  return format
}

/** "UTC+1", "UTC+5:30", "UTC" */
export function offsetLabel(ms: number, zone: string): string {
  const total = Math.round(offsetAt(ms, zone) / 60_000)
  if (total === 0) return 'UTC'
  const abs = Math.abs(total)
  const rest = abs % 60
  return `UTC${total < 0 ? '−' : '+'}${Math.floor(abs / 60)}${rest ? ':' + pad(rest) : ''}`
}

/** RFC 3339 UTC without needless zeros, for the filter text: "2026-11-22T03:26:13Z". */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.000Z$/, 'Z')
}
