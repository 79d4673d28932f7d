// The list of events behind the page: newest first by time, without repeats,
// bounded. While the list is paused, what arrives waits apart and is counted,
// so that nothing moves under the eyes of a reader.

import type { StoredEvent } from '../api/types'

export interface Entry extends StoredEvent {
  /** log/index: the address of the leaf, unique. */
  key: string
  /** stored.at in ms. */
  at: number
}

export function entry(e: StoredEvent): Entry {
  return { leaf: e.leaf, stored: e.stored, key: `${e.stored.log}/${e.stored.index}`, at: Date.parse(e.stored.at) }
}

/** Order of the list: newest first; the address decides between equal times. */
export function compare(a: Entry, b: Entry): number {
  if (a.at !== b.at) return b.at - a.at
  if (a.stored.log !== b.stored.log) return a.stored.log < b.stored.log ? -1 : 1
  return b.stored.index - a.stored.index
}

/** Merges sorted-by-compare `into` with any `more`; repeats are dropped. */
export function merge(into: readonly Entry[], more: readonly Entry[]): Entry[] {
  if (more.length === 0) return into as Entry[]
  const sorted = [...more].sort(compare)
  const out: Entry[] = []
  let i = 0, j = 0
  while (i < into.length || j < sorted.length) {
    const a = into[i], b = sorted[j]
    const next = !b || (a && compare(a, b) <= 0) ? (i++, a!) : (j++, b)
    if (out[out.length - 1]?.key !== next.key) out.push(next)
  }
  return out
}

export interface View {
  readonly rows: readonly Entry[]
  /** Events that came while paused. */
  readonly waiting: number
  /** More came than are kept: resuming loads the newest page again. */
  readonly overflowed: boolean
  /** The oldest rows were dropped to stay within the bound. */
  readonly trimmed: boolean
  /** Number of events that arrived live since the list was loaded. */
  readonly arrived: number
}

export class Ring {
  private rows: Entry[] = []
  private keys = new Set<string>()
  private pending: Entry[] = []
  private waiting = 0
  private overflowed = false
  private trimmed = false
  private arrived = 0
  private paused = false
  /** No older event exists beyond the last row. */
  private complete = false
  private readonly limit: number

  constructor(limit = 20_000) { this.limit = limit }

  /** Forgets all and begins with one page; complete: no older one follows. */
  reset(page: readonly Entry[], complete: boolean): void {
    this.rows = merge([], page)
    this.complete = complete
    this.keys = new Set(this.rows.map(e => e.key))
    this.pending = []
    this.waiting = 0
    this.overflowed = this.trimmed = false
    this.arrived = 0
  }

  has(e: Entry): boolean { return this.keys.has(e.key) }

  /** Takes live events; returns whether the visible rows changed. */
  push(events: readonly Entry[]): boolean {
    const fresh = events.filter(e => !this.keys.has(e.key))
    this.arrived += fresh.length
    return this.take(fresh.filter(e => !this.belongsBelow(e)))
  }

  /** A late event that an unloaded older page will bring at its place. */
  private belongsBelow(e: Entry): boolean {
    const last = this.rows[this.rows.length - 1]
    return !this.complete && last !== undefined && compare(e, last) > 0
  }

  private take(fresh: Entry[]): boolean {
    if (fresh.length === 0) return false
    if (!this.paused) {
      for (const e of fresh) this.keys.add(e.key)
      this.rows = merge(this.rows, fresh)
      this.trim()
      return true
    }
    this.waiting += fresh.length
    if (this.overflowed) return false // only counted: a page may stay paused over a weekend
    if (this.pending.length + fresh.length > this.limit) {
      this.overflowed = true
      for (const e of this.pending) this.keys.delete(e.key)
      this.pending = []
      return false
    }
    for (const e of fresh) this.keys.add(e.key)
    this.pending.push(...fresh)
    return false
  }

  /** Adds an older page at the end; allowed while paused. */
  append(page: readonly Entry[], complete: boolean): void {
    this.complete = complete
    this.trimmed = false // the cursor of this page goes on from here
    const fresh = page.filter(e => !this.keys.has(e.key))
    for (const e of fresh) this.keys.add(e.key)
    this.rows = merge(this.rows, fresh)
  }

  pause(): void { this.paused = true }

  /** Shows what waited. False: too much came, load the newest page anew. */
  resume(): boolean {
    this.paused = false
    if (this.overflowed) return false
    this.rows = merge(this.rows, this.pending)
    this.pending = []
    this.waiting = 0
    this.trim()
    return true
  }

  view(): View {
    return {
      rows: this.rows, waiting: this.waiting, overflowed: this.overflowed, trimmed: this.trimmed, arrived: this.arrived,
    }
  }

  private trim(): void {
    if (this.rows.length <= this.limit) return
    for (const gone of this.rows.slice(this.limit)) this.keys.delete(gone.key)
    this.rows = this.rows.slice(0, this.limit)
    this.trimmed = true
    this.complete = false
  }
}
