import { readEvent, readPage } from './read'
import type {
  About, EventDetail, EventsPage, Histogram, LogInfo, Me, ProblemDocument, StationInfo, StoredEvent,
} from './types'

const BASE = '/api/v1'

/** An answer that is not a success; status 0 means that no answer came. */
export class ApiError extends Error {
  readonly status: number
  readonly problem: ProblemDocument

  constructor(status: number, problem: ProblemDocument) {
    super(problem.detail || problem.title || (status === 0 ? 'no answer' : `HTTP ${status}`))
    this.status = status
    this.problem = problem
  }
}

async function request(path: string, init?: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(BASE + path, { credentials: 'same-origin', ...init })
  } catch (cause) {
    if (init?.signal?.aborted) throw cause
    throw new ApiError(0, {})
  }
  if (response.ok) return response
  const problem = await response.json().catch(() => ({})) as ProblemDocument
  throw new ApiError(response.status, problem)
}

async function json<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, { signal })
  return await response.json() as T
}

function search(values: Record<string, string | number | undefined>): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(values)) if (value !== undefined && value !== '') params.set(key, String(value))
  const text = params.toString()
  return text && '?' + text
}

const id = encodeURIComponent

export const api = {
  me: (signal?: AbortSignal) => json<Me>('/me', signal),
  about: (signal?: AbortSignal) => json<About>('/about', signal),
  async signIn(name: string, password: string): Promise<Me> {
    const response = await request('/session', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name, password }),
    })
    return await response.json() as Me
  },
  async signOut(): Promise<void> { await request('/session', { method: 'DELETE' }) },
  events: (p: { q: string; limit?: number; after?: string }, signal?: AbortSignal) =>
    json<EventsPage>('/events' + search({ ...p, order: 'time' }), signal).then(readPage),
  histogram: (p: { q: string; from: string; to: string; buckets: number }, signal?: AbortSignal) =>
    json<Histogram>('/events/histogram' + search(p), signal),
  event: (event: string, signal?: AbortSignal) => json<EventDetail>(`/events/${id(event)}`, signal).then(readEvent),
  /** The event with what the caller may read of its sealed fields; the server records it. */
  opened: (event: string, signal?: AbortSignal) => json<EventDetail>(`/events/${id(event)}?open=true`, signal).then(readEvent),
  around: (event: string, signal?: AbortSignal) =>
    json<{ events: StoredEvent[] | null }>(`/events/${id(event)}/around?before=25&after=25`, signal).then(readPage),
  async proof(event: string, log: string, index: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const response = await request(`/events/${id(event)}/proof` + search({ log, index }), { signal })
    return new Uint8Array(await response.arrayBuffer()) // as text it could lose what is no text
  },
  /** Everything that an auditor needs but the trust, as linewatch-verify reads it. */
  async bundle(event: string, log: string, index: number, signal?: AbortSignal): Promise<Blob> {
    const response = await request(`/events/${id(event)}/bundle` + search({ log, index }), { signal })
    return await response.blob()
  },
  log: (log: string, signal?: AbortSignal) => json<LogInfo>(`/logs/${id(log)}`, signal),
  stations: (signal?: AbortSignal) => json<{ stations: StationInfo[] | null }>('/stations', signal),
}
