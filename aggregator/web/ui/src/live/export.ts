// Export of a filter: page by page through the API, as a table or as JSON lines.
// The table (RFC 4180) is made so that a double click opens it in Excel: it begins
// with a byte order mark, without which Excel on Windows takes UTF-8 for the code
// page of the country, and it has the separator of the language, since Excel asks
// Windows for it and puts all in one column otherwise.

import type { EventsPage, StoredEvent } from '../api/types'

export type ExportFormat = 'csv' | 'jsonl'
export const EXPORT_LIMIT = 100_000

const columns: [string, (e: StoredEvent) => unknown][] = [
  ['at', e => e.stored.at], ['timestamp', e => e.leaf.timestamp], ['severity', e => e.leaf.severity], ['station', e => e.leaf.station],
  ['event_type', e => e.leaf.event_type], ['class', e => e.leaf.class], ['equipment', e => e.leaf.equipment], ['signal', e => e.leaf.signal],
  ['user_id', e => e.leaf.user_id], ['source_ip', e => e.leaf.source_ip], ['correlation_id', e => e.leaf.correlation_id],
  ['event_data', e => e.leaf.event_data && JSON.stringify(e.leaf.event_data)], ['id', e => e.leaf.id], ['log', e => e.stored.log],
  ['index', e => e.stored.index], ['received_at', e => e.stored.received_at],
]

/** The separator of tables in a language: a semicolon where the comma stands in numbers. */
export const separatorOf = (locale: string): string =>
  new Intl.NumberFormat(locale).formatToParts(1.5).some(p => p.type === 'decimal' && p.value === ',') ? ';' : ','

// What a spreadsheet may run, at the start of a text or behind a separator: a table
// that is opened with the separator of another country has its cells cut there,
// quotes or not. Plain numbers, as in a list, run nothing.
const formula = /(^|[,;\t\r\n])([ \u00a0]*)(?=[=+\-@\t\r\u0000＝＋－＠])(?![+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:[,;\]}\r\n]|$))/g

/** One cell. A text that a spreadsheet would run as a formula gets an apostrophe. */
export function cell(value: unknown): string {
  if (value === undefined || value === null) return ''
  let text = String(value)
  if (typeof value === 'string') text = text.replace(formula, "$1$2'")
  return /[",;\t\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function header(format: ExportFormat, separator = ','): string {
  return format === 'csv' ? '\ufeff' + columns.map(([name]) => name).join(separator) + '\r\n' : ''
}

export function lines(events: StoredEvent[], format: ExportFormat, separator = ','): string {
  if (format === 'jsonl') return events.map(e => JSON.stringify(asItCame(e)) + '\n').join('')
  return events.map(e => columns.map(([, of]) => cell(of(e))).join(separator) + '\r\n').join('')
}

/** Without what was made up for showing. */
const asItCame = (e: StoredEvent) => ({ ...e, leaf: e.raw === undefined ? e.asSent ?? e.leaf : undefined, asSent: undefined })

export interface Exported { parts: string[]; count: number; capped: boolean }

/** Reads all pages; progress gets the number read so far. The separator is that of a table. */
export async function collect(
  page: (after: string | undefined) => Promise<EventsPage>, format: ExportFormat, progress: (n: number) => void, separator = ',',
): Promise<Exported> {
  const out: Exported = { parts: [header(format, separator)], count: 0, capped: false }
  let after: string | undefined
  do {
    const p = await page(after)
    const events = p.events ?? []
    out.parts.push(lines(events, format, separator))
    out.count += events.length
    progress(out.count)
    after = p.next
    if (out.count >= EXPORT_LIMIT && after) {
      out.capped = true
      break
    }
  } while (after)
  return out
}
