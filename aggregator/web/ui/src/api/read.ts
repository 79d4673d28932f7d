// What comes from the server made fit for showing. Stations write what they
// like: a leaf may lack fields or have others than we know, and one that fails the
// profile comes as raw bytes. As much is shown as can be read, and the page lives.

import { severities, type Fields, type Json, type Leaf, type Problem, type Stored, type StoredEvent } from './types'

interface Incoming { leaf?: Leaf; raw?: string; stored: Stored }

/** An event of the API with a leaf that can be shown in any case. */
export function readEvent<T extends Incoming>(e: T): T & StoredEvent {
  if (e.leaf === undefined) return { ...e, leaf: madeUp(e.raw ?? '', e.stored) }
  const came = e.leaf as unknown as Json
  if (isObject(came) && isSound(came)) return e as T & StoredEvent
  return { ...e, leaf: readable(isObject(came) ? came : {}, e.stored), asSent: came }
}

export function readPage<T extends { events: Incoming[] | null }>(page: T): T & { events: StoredEvent[] } {
  return { ...page, events: (page.events ?? []).map(readEvent) }
}

type Test = (value: Json | undefined) => boolean

const isText = (value: Json | undefined): value is string => typeof value === 'string'
const isObject = (value: Json | undefined): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const isProblem = (value: Json): boolean => isObject(value) && isText(value.field) && isText(value.reason)
const isCurve: Test = value => isObject(value) && isText(value.start) && isText(value.min) && isText(value.max) && typeof value.step_ms === 'number' && (value.unit === undefined || isText(value.unit))
const maybe = (test: Test): Test => value => value === undefined || test(value)

/** What the pages rely on, for each field that they show. */
const tests: [keyof Leaf, Test][] = [
  ...(['id', 'event_type', 'class', 'timestamp', 'collected_at', 'station'] as const).map((key): [keyof Leaf, Test] => [key, isText]),
  ...(['equipment', 'signal', 'correlation_id', 'user_id', 'source_ip'] as const).map((key): [keyof Leaf, Test] => [key, maybe(isText)]),
  ['severity', value => (severities as readonly (Json | undefined)[]).includes(value)],
  ['source', maybe(value => isObject(value) && Object.values(value).every(isText))],
  ['event_data', maybe(isObject)],
  ['context', maybe(isObject)],
  ['metadata', maybe(value => isObject(value) && (value.problems === undefined || (Array.isArray(value.problems) && value.problems.every(isProblem))))],
  ['curve', maybe(isCurve)],
  ['sealed', maybe(value => isObject(value) && Object.values(value).every(isObject))],
]

const isSound = (leaf: Fields): boolean => tests.every(([key, test]) => test(leaf[key]))

/** The fields that are as they should be; the problems beside the event name the others. */
function readable(found: Fields, stored: Stored): Leaf {
  const text = (value: Json | undefined): string | undefined => isText(value) ? value : undefined
  const object = (value: Json | undefined): Fields | undefined => isObject(value) ? value : undefined
  const source = object(found.source), metadata = object(found.metadata)
  return {
    id: stored.id ?? text(found.id) ?? '', event_type: text(found.event_type) ?? 'ingest.quarantined', class: text(found.class) ?? '',
    severity: severities.find(s => s === found.severity) ?? 'info',
    timestamp: text(found.timestamp) ?? stored.at, collected_at: text(found.collected_at) ?? stored.at, station: text(found.station) ?? '',
    equipment: text(found.equipment), signal: text(found.signal), correlation_id: text(found.correlation_id), user_id: text(found.user_id), source_ip: text(found.source_ip),
    source: source && { kind: text(source.kind), endpoint: text(source.endpoint), item: text(source.item) },
    event_data: object(found.event_data), context: object(found.context),
    metadata: Array.isArray(metadata?.problems) ? { problems: metadata.problems.filter(isProblem) as unknown as Problem[] } : undefined,
    curve: isCurve(found.curve) ? found.curve as unknown as Leaf['curve'] : undefined,
    sealed: Object.fromEntries(Object.entries(object(found.sealed) ?? {}).filter(([, field]) => isObject(field))) as Leaf['sealed'],
  }
}

function madeUp(raw: string, stored: Stored): Leaf {
  const found = fieldsOf(raw), leaf = readable(found, stored)
  return {
    ...leaf, severity: severities.find(s => s === found.severity) ?? 'medium',
    event_data: leaf.event_data ?? { reason: stored.problems?.[0]?.reason ?? '' },
  }
}

function fieldsOf(raw: string): Fields {
  try {
    const value = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(raw), c => c.charCodeAt(0)))) as Json
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}
