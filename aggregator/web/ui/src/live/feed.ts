// The events of one filter: the newest page, older pages on demand, and what
// comes live on top. No React here; the page listens to snapshots.

import type { EventsPage, ProblemDocument, StoredEvent } from '../api/types'
import type { Subscriber } from './link'
import { withUntil } from './query'
import { entry, Ring, type View } from './ring'

export interface FeedView extends View {
  status: 'loading' | 'ready' | 'failed'
  error: unknown
  /** Filter text with absolute times, as the server understood it. */
  canonical: string
  count: number
  countCapped: boolean
  paused: boolean
  /** Older pages exist. */
  more: boolean
  older: 'idle' | 'loading' | 'failed'
  /** The link skipped events: the list waits to be loaded anew. */
  gap: boolean
}

export interface Source {
  events(p: { q: string; limit?: number; after?: string }, signal?: AbortSignal): Promise<EventsPage>
}

export interface LiveSource {
  subscribe(query: string, subscriber: Subscriber): void
  unsubscribe(subscriber: Subscriber): void
}

export const PAGE = 200

export class Feed implements Subscriber {
  private readonly ring = new Ring()
  private readonly listeners = new Set<() => void>()
  private state: Omit<FeedView, keyof View>
  private view: FeedView
  private abort = new AbortController()
  /** Events that came before the first page. */
  private early: StoredEvent[] | undefined = []
  private next = ''
  /** Counts the loads: only what the last one brings is taken. */
  private turn = 0
  /** The page that is on its way may be older than the subscription. */
  private unsure = false
  /** More came before the page than is kept. */
  private skipped = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private interval = 50
  private readonly source: Source
  private readonly live: LiveSource
  readonly query: string

  constructor(query: string, source: Source, live: LiveSource) {
    this.query = query
    this.source = source
    this.live = live
    this.state = {
      status: 'loading', error: undefined, canonical: query, count: 0, countCapped: false, paused: false, more: false,
      older: 'idle', gap: false,
    }
    this.view = { ...this.ring.view(), ...this.state }
  }

  /** Subscribes first, then loads: nothing falls between. */
  start(): void {
    this.abort = new AbortController()
    this.live.subscribe(this.query, this)
    void this.load()
  }

  stop(): void {
    this.abort.abort()
    clearTimeout(this.timer)
    this.timer = undefined
    this.live.unsubscribe(this)
  }

  listen = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  snapshot = (): FeedView => this.view

  events(events: StoredEvent[]): void {
    if (this.early) {
      this.early.push(...events)
      if (this.early.length > 20_000) {
        this.early = []
        this.skipped = true
      }
      return
    }
    this.ring.push(events.map(entry))
    this.soon()
  }

  /** The link skipped events: what is shown while paused stays until resumed. */
  gap(): void {
    if (this.state.paused) {
      this.state = { ...this.state, gap: true }
      this.show()
      return
    }
    this.state = { ...this.state, gap: true }
    void this.load()
  }

  /** Fetches what was committed between the first page and the subscription. */
  settled(): void {
    if (this.state.status === 'failed') return
    if (this.early) this.unsure = true // once the page is here
    else void this.catchUp(this.abort.signal)
  }

  private async catchUp(signal: AbortSignal): Promise<void> {
    try {
      const page = await this.source.events({ q: this.query, limit: PAGE }, signal)
      if (signal.aborted) return
      const entries = (page.events ?? []).map(entry)
      // A whole page of news: between it and the list there may be more.
      if (page.next !== '' && !entries.some(e => this.ring.has(e))) { this.gap(); return }
      this.ring.push(entries)
      this.state = { ...this.state, count: page.count - this.ring.view().arrived, countCapped: page.count_capped }
      this.show()
    } catch {
      if (!signal.aborted) this.gap() // load() says what is wrong
    }
  }

  error(problem: ProblemDocument): void {
    this.state = { ...this.state, status: 'failed', error: { problem, status: problem.status ?? 400 } }
    this.show()
  }

  /** Loads the newest page (again). */
  async load(): Promise<void> {
    const signal = this.abort.signal, turn = ++this.turn
    this.early = [] // what came before stands in the page, or behind it
    this.skipped = false
    if (this.view.rows.length === 0) this.state = { ...this.state, status: 'loading', error: undefined }
    this.show()
    try {
      const page = await this.source.events({ q: this.query, limit: PAGE }, signal)
      // What came live since a later load began waits for that one's page.
      if (signal.aborted || turn !== this.turn) return
      this.next = page.next
      this.ring.reset((page.events ?? []).map(entry), page.next === '')
      this.ring.push((this.early ?? []).map(entry))
      this.early = undefined
      this.state = {
        ...this.state, status: 'ready', error: undefined, canonical: page.query, count: page.count,
        countCapped: page.count_capped, more: page.next !== '', gap: this.state.gap && this.state.paused,
      }
    } catch (error) {
      if (signal.aborted || turn !== this.turn) return
      this.state = { ...this.state, status: 'failed', error }
    }
    this.show()
    if (this.early) return
    if (this.skipped) { this.gap(); return }
    if (!this.unsure) return
    this.unsure = false
    await this.catchUp(signal)
  }

  pause(): void {
    if (this.state.paused) return
    this.ring.pause()
    this.state = { ...this.state, paused: true }
    this.show()
  }

  resume(): void {
    if (!this.state.paused) return
    const reload = !this.ring.resume() || this.state.gap
    this.state = { ...this.state, paused: false, gap: false }
    if (reload) void this.load()
    else this.show()
  }

  /** Loads the page behind the last row. */
  async older(): Promise<void> {
    const view = this.view
    if (this.early || this.state.older === 'loading' || this.state.status !== 'ready' || !(view.more || view.trimmed)) return
    const signal = this.abort.signal, turn = this.turn
    this.state = { ...this.state, older: 'loading' }
    this.show()
    try {
      const page = await this.source.events(this.behind(view), signal)
      if (signal.aborted) return
      this.state = { ...this.state, older: 'idle' }
      if (turn === this.turn) { // else it belongs to the list before, and does not follow on the new one
        this.next = page.next
        this.ring.append((page.events ?? []).map(entry), page.next === '')
        this.state = { ...this.state, more: page.next !== '' }
      }
    } catch {
      if (signal.aborted) return
      this.state = { ...this.state, older: 'failed' }
    }
    this.show()
  }

  /** After rows were dropped at the end the cursor no longer fits: by time then. */
  private behind(view: FeedView): { q: string; limit: number; after?: string } {
    const last = view.rows[view.rows.length - 1]
    if (!view.trimmed || !last) return { q: this.query, limit: PAGE, after: this.next }
    return { q: withUntil(this.query, last.at + 1), limit: PAGE }
  }

  /** Draws at most every 50 ms, less often when drawing is slow. */
  private soon(): void {
    if (this.timer !== undefined) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      const started = performance.now()
      this.show()
      if (typeof requestAnimationFrame !== 'function') return
      requestAnimationFrame(() => requestAnimationFrame(() => {
        const cost = performance.now() - started
        this.interval = Math.min(500, Math.max(50, cost * 2))
      }))
    }, this.interval)
  }

  private show(): void {
    this.view = { ...this.ring.view(), ...this.state }
    for (const listener of this.listeners) listener()
  }
}
