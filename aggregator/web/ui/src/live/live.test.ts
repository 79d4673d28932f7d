import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { EventsPage, StoredEvent } from '../api/types'
import { cell, collect, header, lines, separatorOf } from './export'
import { Feed, PAGE, type LiveSource } from './feed'
import type { Subscriber } from './link'
import { backoff, Stream, type StreamHandlers } from './socket'

const event = (index: number): StoredEvent => ({
  leaf: { id: 'id' + index, event_type: 'x.a.b', station: 'a/b' } as StoredEvent['leaf'],
  stored: { log: 'l', index, at: new Date(1_700_000_000_000 + index * 1000).toISOString(), received_at: '' },
})
const range = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => event(from - i))

/** A store of events 1 to last, asked page by page. */
function source(state: { last: number; asked: { q: string; after?: string }[]; fail?: Error }) {
  return {
    async events(p: { q: string; limit?: number; after?: string }): Promise<EventsPage> {
      state.asked.push(p)
      if (state.fail) throw state.fail
      const until = /until:(\S+)/.exec(p.q)
      const top = p.after ? Number(p.after) : until ? Math.ceil((Date.parse(until[1]!) - 1_700_000_000_000) / 1000) - 1 : state.last
      const end = Math.max(1, top - p.limit! + 1)
      return { events: top < 1 ? [] : range(top, end), next: end > 1 ? String(end - 1) : '', query: p.q, count: state.last, count_capped: false }
    },
  }
}

function live() {
  const out: LiveSource & { to?: Subscriber } = { subscribe: (_, s) => { out.to = s }, unsubscribe: () => { out.to = undefined } }
  return out
}

/** A store whose answers come when the test says so. */
function held() {
  const asked: { after?: string; take: (p: EventsPage) => void }[] = []
  return {
    asked,
    events: (p: { after?: string }) => new Promise<EventsPage>(take => asked.push({ after: p.after, take })),
    answer: async (i: number, p: EventsPage) => { asked[i]!.take(p); await flush() },
  }
}
const page = (from: number, to: number, next = ''): EventsPage => ({ events: range(from, to), next, query: '', count: from, count_capped: false })

const rows = (feed: Feed) => feed.snapshot().rows.map(e => e.stored.index)
const flush = async () => { for (let i = 0; i < 10; i++) await Promise.resolve() }

describe('the feed', () => {
  beforeEach(() => { vi.useFakeTimers() })
  afterEach(() => { vi.useRealTimers() })

  it('loses nothing that arrives before the first page', async () => {
    const state = { last: 3, asked: [] as never[] }, l = live(), feed = new Feed('', source(state), l)
    feed.start()
    feed.events([event(5), event(4), event(3)])
    await flush()
    expect(rows(feed)).toEqual([5, 4, 3, 2, 1])
    feed.stop()
    expect(l.to).toBeUndefined()
  })
  it('fetches what was committed before the subscription was taken up', async () => {
    const state = { last: 3, asked: [] as never[] }, feed = new Feed('', source(state), live())
    feed.start()
    await flush()
    state.last = 5
    feed.settled()
    await flush()
    expect(rows(feed)).toEqual([5, 4, 3, 2, 1])
    expect(feed.snapshot().count + feed.snapshot().arrived).toBe(5)
  })
  it('loads anew when the news do not reach the list', async () => {
    const state = { last: 3, asked: [] as never[] }, feed = new Feed('', source(state), live())
    feed.start()
    await flush()
    state.last = 900
    feed.settled()
    await flush()
    expect(rows(feed)).toEqual(range(900, 900 - PAGE + 1).map(e => e.stored.index))
  })
  it('loads anew after a gap, but not under the eyes of a reader', async () => {
    const state = { last: 3, asked: [] as { q: string }[] }, feed = new Feed('', source(state), live())
    feed.start()
    await flush()
    feed.pause()
    state.last = 7
    feed.gap()
    await flush()
    expect(rows(feed)).toEqual([3, 2, 1])
    feed.resume()
    await flush()
    expect(rows(feed)).toEqual([7, 6, 5, 4, 3, 2, 1])
  })
  it('keeps what came live while the list is loaded twice at once', async () => {
    const s = held(), feed = new Feed('', s, live())
    feed.start()
    feed.gap()
    await s.answer(0, page(3, 1))
    feed.events([event(5)])
    await s.answer(1, page(4, 1))
    expect(rows(feed)).toEqual([5, 4, 3, 2, 1])
  })
  it('fetches what was committed while the first page was on its way', async () => {
    const s = held(), feed = new Feed('', s, live())
    feed.start()
    feed.settled()
    await s.answer(0, page(3, 1))
    expect(rows(feed)).toEqual([3, 2, 1])
    await s.answer(1, page(5, 1))
    expect(rows(feed)).toEqual([5, 4, 3, 2, 1])
  })
  it('loads anew when more came before the page than is kept', async () => {
    const s = held(), feed = new Feed('', s, live())
    feed.start()
    feed.events(range(21_000, 4))
    await s.answer(0, page(3, 1))
    await s.answer(1, page(21_000, 20_801, '20800'))
    expect(rows(feed)).toEqual(range(21_000, 20_801).map(e => e.stored.index))
  })
  it('knows nothing of a gap any more once the list was loaded anew', async () => {
    const s = held(), feed = new Feed('', s, live())
    feed.start()
    await s.answer(0, page(3, 1))
    feed.gap()
    expect(feed.snapshot().gap).toBe(true)
    await s.answer(1, page(4, 1))
    feed.pause()
    expect(feed.snapshot().gap).toBe(false)
  })
  it('hangs no older page of the list before on the new one', async () => {
    const s = held(), feed = new Feed('', s, live())
    feed.start()
    await s.answer(0, page(450, 251, '250'))
    void feed.older()
    feed.gap()
    void feed.older()
    await s.answer(2, page(900, 701, '700'))
    await s.answer(1, page(250, 51, '50'))
    expect(rows(feed)).toEqual(range(900, 701).map(e => e.stored.index))
    expect(feed.snapshot()).toMatchObject({ older: 'idle', more: true })
    void feed.older()
    expect(s.asked.map(p => p.after)).toEqual([undefined, '250', undefined, '700'])
  })
  it('goes back in time page by page', async () => {
    const state = { last: 450, asked: [] as { q: string; after?: string }[] }, feed = new Feed('q', source(state), live())
    feed.start()
    await flush()
    await feed.older()
    await feed.older()
    expect(rows(feed)).toEqual(range(450, 1).map(e => e.stored.index))
    expect(feed.snapshot().more).toBe(false)
    await feed.older()
    expect(state.asked.length).toBe(3)
  })
  it('says when the page could not be loaded and tries again on demand', async () => {
    const state = { last: 2, asked: [] as never[], fail: new Error('away') as Error | undefined }, feed = new Feed('', source(state), live())
    feed.start()
    await flush()
    expect(feed.snapshot()).toMatchObject({ status: 'failed', error: state.fail })
    state.fail = undefined
    await feed.load()
    expect(rows(feed)).toEqual([2, 1])
  })
})

class FakeSocket {
  static OPEN = 1
  static made: FakeSocket[] = []
  readyState = 0
  sent: string[] = []
  onopen?: () => void
  onclose?: () => void
  onmessage?: (m: { data: string }) => void
  constructor() { FakeSocket.made.push(this) }
  send(text: string) { this.sent.push(text) }
  close() { this.readyState = 3; this.onclose?.() }
  open() { this.readyState = 1; this.onopen?.() }
  say(message: unknown) { this.onmessage?.({ data: JSON.stringify(message) }) }
}

describe('the stream', () => {
  const heard: string[] = []
  const handlers: StreamHandlers = {
    state: s => heard.push(s), events: e => heard.push('events ' + e.length), gap: r => heard.push('gap ' + r), status: () => undefined,
    settled: () => heard.push('settled'), error: p => heard.push('error ' + p.detail),
  }
  const last = () => FakeSocket.made.at(-1)!
  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('WebSocket', FakeSocket)
    FakeSocket.made = []
    heard.length = 0
  })
  afterEach(() => { vi.useRealTimers(); vi.unstubAllGlobals() })

  it('subscribes, and goes on from its cursor after a loss', () => {
    const s = new Stream('ws://x', handlers)
    s.start()
    s.subscribe('severity>=high')
    last().open()
    expect(JSON.parse(last().sent[0]!)).toEqual({ subscribe: { q: 'severity>=high', cursor: '' } })
    last().say({ events: [event(1)], cursor: 'c1' })
    last().close()
    vi.advanceTimersByTime(600)
    last().open()
    expect(JSON.parse(last().sent[0]!)).toEqual({ subscribe: { q: 'severity>=high', cursor: 'c1' } })
    expect(heard).toEqual(['connecting', 'live', 'events 1', 'settled', 'lost', 'live'])
    s.stop()
  })
  it('reports a gap when it comes back without a cursor', () => {
    const s = new Stream('ws://x', handlers)
    s.start()
    s.subscribe('')
    last().open()
    last().close()
    vi.advanceTimersByTime(600)
    last().open()
    expect(heard).toContain('gap reconnected')
    s.stop()
  })
  it('takes nothing of the filter before once another one was asked for', () => {
    const s = new Stream('ws://x', handlers)
    s.start()
    s.subscribe('a')
    last().open()
    last().say({ cursor: 'a0' })
    last().say({ events: [event(1)], cursor: 'a1' })
    heard.length = 0
    s.subscribe('b')
    s.subscribe('c')
    last().say({ events: [event(2)], cursor: 'a2' })
    last().say({ gap: { reason: 'slow' }, cursor: 'a3' })
    last().say({ cursor: 'b0' })
    last().say({ events: [event(3)], cursor: 'b1' })
    expect(heard).toEqual([])
    last().say({ cursor: 'c0' })
    expect(heard).toEqual(['settled'])
    last().say({ events: [event(4), event(5)], cursor: 'c1' })
    expect(heard).toEqual(['settled', 'events 2'])
    last().close()
    vi.advanceTimersByTime(600)
    last().open()
    expect(JSON.parse(last().sent[0]!)).toEqual({ subscribe: { q: 'c', cursor: 'c1' } })
    s.stop()
  })
  it('takes an unanswered subscription for taken up at the second status', () => {
    const s = new Stream('ws://x', handlers)
    s.start()
    s.subscribe('a')
    last().open()
    s.subscribe('b')
    const status = { status: { now: '2026-11-22T04:00:00Z', rate: 1 } }
    last().say(status)
    last().say({ events: [event(1)], cursor: 'a1' })
    last().say(status)
    last().say({ events: [event(2)], cursor: 'b1' })
    expect(heard).toEqual(['connecting', 'live', 'settled', 'events 1'])
    s.stop()
  })
  it('is settled at the second status after subscribing', () => {
    const s = new Stream('ws://x', handlers)
    s.start()
    s.subscribe('')
    last().open()
    last().say({ status: { now: '2026-11-22T04:00:00Z', rate: 1 } })
    expect(heard).not.toContain('settled')
    last().say({ status: { now: '2026-11-22T04:00:01Z', rate: 1 } })
    expect(heard.filter(h => h === 'settled').length).toBe(1)
    s.stop()
  })
  it('takes a silent link for lost', () => {
    const s = new Stream('ws://x', handlers)
    s.start()
    last().open()
    vi.advanceTimersByTime(8_001)
    expect(heard).toEqual(['connecting', 'live', 'lost'])
    s.stop()
  })
  it('waits longer each time, up to ten seconds, with jitter', () => {
    expect([0, 1, 2, 3, 4, 5, 20].map(n => backoff(n, 1))).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000])
    expect([0, 1, 20].map(n => backoff(n, 0))).toEqual([250, 500, 5000])
  })
  it('is quiet after it was stopped', () => {
    const s = new Stream('ws://x', handlers)
    s.start()
    last().open()
    s.stop()
    vi.advanceTimersByTime(60_000)
    expect(FakeSocket.made.length).toBe(1)
  })
})

describe('export', () => {
  it('reads all pages and counts them', async () => {
    const state = { last: 450, asked: [] as never[] }, seen: number[] = []
    const out = await collect(after => source(state).events({ q: '', limit: 200, after }), 'jsonl', n => seen.push(n))
    expect(out).toMatchObject({ count: 450, capped: false })
    expect(seen).toEqual([200, 400, 450])
    expect(out.parts.join('').trim().split('\n').length).toBe(450)
  })
  it('writes JSON lines as they came, without what was made up for showing', () => {
    const written = (e: Partial<StoredEvent>) => JSON.parse(lines([{ ...event(1), ...e }], 'jsonl'))
    expect(written({})).toEqual(event(1))
    expect(written({ asSent: { station: 5 } })).toEqual({ ...event(1), leaf: { station: 5 } })
    expect(written({ raw: 'AAAA' })).toEqual({ raw: 'AAAA', stored: event(1).stored })
  })
  it('gives no spreadsheet a formula to run', () => {
    expect(cell('=1+1')).toBe("'=1+1")
    for (const start of ['+', '-', '@', '＝', '\t', '\r']) expect(cell(start + 'cmd').replaceAll('"', '')).toMatch(/^'/)
    expect(cell('-2+3+cmd|x')).toBe("'-2+3+cmd|x")
    expect(cell('a "b", c')).toBe('"a ""b"", c"')
    expect(cell(-5)).toBe('-5')
    expect(cell(undefined)).toBe('')
    expect(lines([event(1)], 'csv')).toContain('x.a.b')
  })
  it('gives none either to a spreadsheet that cuts at another separator', () => {
    for (const text of ['press;=1+1;x', 'press,=1+1', 'press\t@x', 'press; -2+cmd|x', 'line\n=1']) {
      const cut = cell(text).split(/[,;\t\n]/).map(part => part.replace(/^[ "]+/, ''))
      expect(cut.filter(part => /^[=+\-@]/.test(part)), text).toEqual([])
    }
    expect(cell('a;b')).toBe('"a;b"')
    expect(cell('{"list":[-1,-2.5e-3,+3]}')).toBe('"{""list"":[-1,-2.5e-3,+3]}"')
  })
  it('opens in Excel: marked as UTF-8, with the separator of the language, CRLF behind each line', () => {
    expect([separatorOf('en-GB'), separatorOf('de')]).toEqual([',', ';'])
    const odd = { ...event(1), leaf: { ...event(1).leaf, equipment: 'Öfen; Straße 1, rechts' } }
    const text = header('csv', ';') + lines([odd], 'csv', ';')
    expect(text.startsWith('\ufeffat;timestamp;severity;station;')).toBe(true)
    expect(text.split('\r\n').length).toBe(3)
    expect(text).toContain(';"Öfen; Straße 1, rechts";')
    expect(header('jsonl')).toBe('')
  })
})
