import { describe, expect, it } from 'vitest'
import type { StoredEvent } from '../api/types'
import { entry, merge, Ring, type Entry } from './ring'

const make = (index: number, at = index, log = 'a'): Entry => entry({
  leaf: { id: `${log}${index}` } as StoredEvent['leaf'],
  stored: { log, index, at: new Date(1_700_000_000_000 + at * 1000).toISOString(), received_at: '' },
})
const shown = (r: Ring) => r.view().rows.map(e => e.stored.log + e.stored.index).join(' ')

describe('the ring', () => {
  it('shows the newest first and each event once', () => {
    const r = new Ring()
    r.reset([make(3), make(2), make(1)], true)
    r.push([make(3), make(5), make(4)])
    expect(shown(r)).toBe('a5 a4 a3 a2 a1')
    expect(r.view().arrived).toBe(2)
  })
  it('sorts equal times by log and index, as the store does', () => {
    expect(merge([], [make(1, 7, 'b'), make(2, 7, 'a'), make(3, 7, 'a')]).map(e => e.key)).toEqual(['a/3', 'a/2', 'b/1'])
  })
  it('puts a late event at its place', () => {
    const r = new Ring()
    r.reset([make(5), make(3), make(1)], true)
    r.push([make(4)])
    expect(shown(r)).toBe('a5 a4 a3 a1')
  })
  it('leaves a late event to its page when older pages are not loaded', () => {
    const r = new Ring()
    r.reset([make(9), make(8)], false)
    r.push([make(2)])
    expect(shown(r)).toBe('a9 a8')
    expect(r.view().arrived).toBe(1)
    r.append([make(7), make(2), make(1)], true)
    expect(shown(r)).toBe('a9 a8 a7 a2 a1')
  })
  it('does not move while paused and counts what waits', () => {
    const r = new Ring()
    r.reset([make(1)], true)
    r.pause()
    r.push([make(2), make(3)])
    r.push([make(3)])
    expect(shown(r)).toBe('a1')
    expect(r.view().waiting).toBe(2)
    expect(r.resume()).toBe(true)
    expect(shown(r)).toBe('a3 a2 a1')
    expect(r.view().waiting).toBe(0)
  })
  it('loads older pages also while paused', () => {
    const r = new Ring()
    r.reset([make(5)], false)
    r.pause()
    r.push([make(6)])
    r.append([make(4), make(3)], true)
    expect(shown(r)).toBe('a5 a4 a3')
  })
  it('keeps its bound and says what it dropped', () => {
    const r = new Ring(3)
    r.reset([make(2), make(1)], true)
    r.push([make(3), make(4)])
    expect(shown(r)).toBe('a4 a3 a2')
    expect(r.view().trimmed).toBe(true)
    r.push([make(1)])
    expect(shown(r)).toBe('a4 a3 a2')
  })
  it('asks to load anew when too much came while paused', () => {
    const r = new Ring(3)
    r.reset([make(1)], true)
    r.pause()
    r.push([make(2), make(3), make(4), make(5)])
    expect(r.view()).toMatchObject({ waiting: 4, overflowed: true })
    r.push([make(6)])
    expect(r.view().waiting).toBe(5)
    expect([2, 5, 6].filter(i => r.has(make(i)))).toEqual([]) // nothing is kept of what is only counted
    expect(r.resume()).toBe(false)
  })
})
