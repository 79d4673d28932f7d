// Shapes of the HTTP API that the pages use (docs: /api/v1/openapi.json).

export const severities = ['debug', 'info', 'low', 'medium', 'high', 'critical'] as const
export type Severity = (typeof severities)[number]

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type Fields = { [key: string]: Json }

/** One event as the station wrote it. Unknown keys are kept. */
export interface Leaf {
  id: string
  event_type: string
  class: string
  severity: Severity
  timestamp: string
  collected_at: string
  station: string
  equipment?: string
  signal?: string
  correlation_id?: string
  user_id?: string
  source_ip?: string
  source?: { kind?: string; endpoint?: string; item?: string; original_id?: string }
  event_data?: Fields
  context?: Fields
  metadata?: { catalogue?: string; agent?: string; parser?: string; problems?: Problem[] }
  curve?: { start: string; step_ms: number; unit?: string; min: string; max: string }
  sealed?: { [path: string]: { key: string; text: string } }
  salt?: string
}

export interface Problem { field: string; reason: string }

/** What the aggregator knows about a leaf; never part of the signed text. */
export interface Stored {
  log: string
  index: number
  id?: string
  at: string
  received_at: string
  clock_offset_ms?: number
  problems?: Problem[] | null
  opened?: Fields | null
  sealed?: { [path: string]: SealedField } | null
}

/** How a sealed field stands: its value is in opened where it was asked for. */
export interface SealedField { state: 'opened' | 'sealed' | 'erased' | 'lost'; set?: string; erased_at?: string }

/** raw: base64 of a leaf that is no event inside the profile; leaf is then made up from what can be read.
 *  asSent: the signed object itself, where fields of leaf had to be left out for showing. */
export interface StoredEvent { leaf: Leaf; raw?: string; asSent?: Json; stored: Stored }
export interface EventDetail extends StoredEvent { others?: StoredEvent[] | null }

export interface EventsPage {
  events: StoredEvent[] | null
  next: string
  query: string
  count: number
  count_capped: boolean
}

export type Bucket = { at: string } & Record<Severity, number>
export interface Histogram { from: string; to: string; step_ms: number; buckets: Bucket[] }

export interface Me { name: string; display: string; roles: string[]; scope: string[]; permissions: string[]; opens?: string[] }
export interface About { plant: string; time_zone: string; version: string; now: string; ui_built: boolean }

export interface LogInfo {
  origin: string
  agent: string
  class: string
  size: number
  keys: { key: string; after: number; last: number }[]
  cosigners: { name: string; key: string }[]
  state: string
}

export interface StationInfo { station: string; first: string; last: string; events: number; agent: string }

/** Body of each 4xx and 5xx (RFC 9457), with the place of a mistake in a filter. */
export interface ProblemDocument {
  type?: string
  title?: string
  status?: number
  detail?: string
  pos?: number
  len?: number
  suggestion?: string
}
