// The live stream: one WebSocket, subscribed with the filter text. It comes back
// by itself (0.5 s to 10 s, with jitter) and goes on from its cursor; what it
// can't go on from is reported as a gap, never passed over in silence.

import { readEvent } from '../api/read'
import type { ProblemDocument, StoredEvent } from '../api/types'

export type LinkState = 'connecting' | 'live' | 'lost'

export interface StreamHandlers {
  state(state: LinkState): void
  events(events: StoredEvent[]): void
  /** Events were left out: load the newest page again. */
  gap(reason: string): void
  status(status: { now: string; rate: number }): void
  /** The subscription is at work for sure: what was committed before it must be fetched. */
  settled(): void
  error(problem: ProblemDocument): void
}

interface ServerMessage {
  events?: StoredEvent[] | null
  cursor?: string
  gap?: { reason?: string }
  status?: { now: string; rate: number }
  error?: ProblemDocument
}

/** Delay before attempt n (from 0): doubles from 0.5 s to 10 s, half of it random. */
export function backoff(attempt: number, random: number): number {
  const full = Math.min(10_000, 500 * 2 ** Math.min(attempt, 10))
  return full / 2 + (full / 2) * random
}

/** A link from which nothing came for this long is dead: status comes each second. */
const SILENCE = 8_000

export class Stream {
  private socket: WebSocket | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private silence: ReturnType<typeof setTimeout> | undefined
  private attempt = 0
  private cursor = ''
  /** Statuses still to come until a subscription without cursor has surely been taken up. */
  private unsettled = 0
  /** Subscriptions of this socket that the server has not answered. */
  private unanswered = 0
  private subscribed = false
  /** What comes may still be of the filter before. */
  private stale = false
  private connected = false
  private query: string | undefined
  private stopped = false
  private readonly url: string
  private readonly on: StreamHandlers

  constructor(url: string, on: StreamHandlers) {
    this.url = url
    this.on = on
  }

  start(): void {
    this.stopped = false
    this.on.state('connecting')
    this.connect()
  }

  /** Changes the filter; undefined listens to the status only. */
  subscribe(query: string | undefined): void {
    this.query = query
    this.cursor = ''
    if (this.socket?.readyState === WebSocket.OPEN) this.sendSubscribe()
  }

  /** Tries at once, for a person who doesn't want to wait. */
  retry(): void {
    if (this.socket || this.stopped) return
    clearTimeout(this.timer)
    this.connect()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    clearTimeout(this.silence)
    const socket = this.socket
    this.socket = undefined
    socket?.close()
  }

  private connect(): void {
    const socket = new WebSocket(this.url)
    this.socket = socket
    this.unanswered = 0
    this.subscribed = this.stale = false
    this.watch()
    socket.onopen = () => {
      if (this.socket !== socket) return
      this.attempt = 0
      this.on.state('live')
      // Without a cursor nobody knows what came meanwhile.
      if (this.connected && this.cursor === '') this.on.gap('reconnected')
      this.connected = true
      this.sendSubscribe()
    }
    socket.onmessage = message => {
      if (this.socket !== socket) return
      this.watch()
      this.receive(message.data)
    }
    socket.onclose = () => this.lost(socket)
  }

  private sendSubscribe(): void {
    if (this.query === undefined) return
    this.unsettled = this.cursor === '' ? 2 : 0
    this.stale = this.subscribed
    this.subscribed = true
    this.unanswered++
    this.socket?.send(JSON.stringify({ subscribe: { q: this.query, cursor: this.cursor } }))
  }

  private receive(data: unknown): void {
    if (typeof data !== 'string') return
    let message: ServerMessage
    try {
      message = JSON.parse(data) as ServerMessage
    } catch {
      this.socket?.close() // not our server; the reconnect says so on the page
      return
    }
    const answer = message.error || (message.cursor && !message.gap && !message.events?.length)
    if (answer && this.unanswered > 0 && --this.unanswered === 0) this.stale = false
    if (!this.stale) {
      if (message.cursor) this.cursor = message.cursor
      if (message.gap) this.on.gap(message.gap.reason ?? '')
      if (message.events?.length) this.on.events(message.events.map(readEvent))
    }
    if (message.status) this.on.status(message.status)
    this.settle(message)
    if (message.error) this.on.error(message.error)
  }

  /**
   * The server answers a subscription with a cursor alone, unless it begins with a
   * gap. Its cursor, or the second status after it (the first may have been on its
   * way), shows that it was taken up.
   */
  private settle(message: ServerMessage): void {
    if (this.unsettled === 0) return
    if (message.cursor && !this.stale) this.unsettled = 0
    else if (message.status) this.unsettled--
    if (this.unsettled > 0) return
    this.unanswered = 0
    this.stale = false
    this.on.settled()
  }

  /** A half-open connection (cable pulled) never reports itself. */
  private watch(): void {
    clearTimeout(this.silence)
    const socket = this.socket
    this.silence = setTimeout(() => {
      if (!socket || this.socket !== socket) return
      socket.close()
      this.lost(socket)
    }, SILENCE)
  }

  private lost(socket: WebSocket): void {
    if (this.socket !== socket) return
    this.socket = undefined
    clearTimeout(this.silence)
    if (this.stopped) return
    this.on.state('lost')
    this.timer = setTimeout(() => this.connect(), backoff(this.attempt++, Math.random()))
  }
}
