// The one live link of the application: its state, rate and the server's clock,
// for the top bar and for whichever page subscribes.

import type { ProblemDocument, StoredEvent } from '../api/types'
import { Stream, type LinkState } from './socket'

export interface LinkView {
  state: LinkState
  /** Events per second over the whole plant, undefined until known. */
  rate: number | undefined
  /** Server clock minus ours in ms. */
  offset: number
  /** Server time (ms) of the last sign of life, for "as of 14:02". */
  lastSeen: number
}

export interface Subscriber {
  events(events: StoredEvent[]): void
  gap(): void
  settled(): void
  error(problem: ProblemDocument): void
}

export class Link {
  private view: LinkView = { state: 'connecting', rate: undefined, offset: 0, lastSeen: Date.now() }
  private readonly listeners = new Set<() => void>()
  private subscriber: Subscriber | undefined
  private readonly stream: Stream

  constructor(url: string) {
    this.stream = new Stream(url, {
      state: state => this.change(state === 'live' ? { state, lastSeen: this.now() } : { state }),
      events: events => this.subscriber?.events(events),
      gap: () => this.subscriber?.gap(),
      settled: () => this.subscriber?.settled(),
      error: problem => this.subscriber?.error(problem),
      status: status => {
        const now = Date.parse(status.now)
        this.change({ rate: status.rate, offset: now - Date.now(), lastSeen: now })
      },
    })
  }

  start = (): void => this.stream.start()
  stop = (): void => this.stream.stop()
  retry = (): void => this.stream.retry()

  /** Sends the events of a filter to one subscriber; it replaces the one before. */
  subscribe(query: string, subscriber: Subscriber): void {
    this.subscriber = subscriber
    this.stream.subscribe(query)
  }

  unsubscribe(subscriber: Subscriber): void {
    if (this.subscriber === subscriber) this.subscriber = undefined
  }

  /** The server's time in ms. */
  now(): number { return Date.now() + this.view.offset }

  listen = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  snapshot = (): LinkView => this.view

  private change(part: Partial<LinkView>): void {
    this.view = { ...this.view, ...part }
    for (const listener of this.listeners) listener()
  }
}

/** Address of the stream beside this page. */
export function streamURL(location: { protocol: string; host: string }): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/stream`
}
