// What comes from the server made fit for showing. A leaf that fails the profile
// comes as raw bytes: as much of it is shown as can be read.

import { severities, type Fields, type Leaf, type Stored, type StoredEvent } from './types'

interface Incoming { leaf?: Leaf; raw?: string; stored: Stored }

/** An event of the API with a leaf in any case. */
export function readEvent<T extends Incoming>(e: T): T & StoredEvent {
  if (e.leaf !== undefined) return e as T & StoredEvent
  return { ...e, leaf: madeUp(e.raw ?? '', e.stored) }
}

export function readPage<T extends { events: Incoming[] | null }>(page: T): T & { events: StoredEvent[] } {
  return { ...page, events: (page.events ?? []).map(readEvent) }
}

const text = (value: unknown): string | undefined => typeof value === 'string' ? value : undefined

function madeUp(raw: string, stored: Stored): Leaf {
  const found = fieldsOf(raw)
  const severity = severities.find(s => s === found.severity) ?? 'medium'
  const data = found.event_data
  return {
    id: stored.id ?? text(found.id) ?? '', event_type: text(found.event_type) ?? 'ingest.quarantined', class: text(found.class) ?? '', severity,
    timestamp: text(found.timestamp) ?? stored.at, collected_at: text(found.collected_at) ?? stored.at, station: text(found.station) ?? '',
    event_data: typeof data === 'object' && data !== null && !Array.isArray(data) ? data : { reason: stored.problems?.[0]?.reason ?? '' },
  }
}

function fieldsOf(raw: string): Fields {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(raw), c => c.charCodeAt(0))))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Fields : {}
  } catch {
    return {}
  }
}
