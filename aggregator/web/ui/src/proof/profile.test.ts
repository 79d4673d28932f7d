import { describe, expect, it } from 'vitest'
import table from '../../../../../shared/event/testdata/profile.json'
import { utf8 } from './bytes'
import { profileFault } from './profile'

interface Case { name: string; json?: string; hex?: string; leaf: boolean; reason?: string; offset?: number }

const fromHex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g)!, pair => parseInt(pair, 16))

describe('the shared table of the profile', () => {
  it.each((table.cases as Case[]).map(c => [c.name, c] as const))('judges as in Go: %s', (_, c) => {
    const bytes = c.hex !== undefined ? fromHex(c.hex) : utf8(c.json!)
    expect(profileFault(bytes)).toEqual(c.leaf ? undefined : { offset: c.offset, reason: c.reason })
  })
  it.each(table.envelopes.map(c => [c.name, c] as const))('takes an envelope with faults: %s', (_, c) => {
    expect(profileFault(utf8(c.json))).toBeUndefined()
  })
  it('bounds the length', () => {
    const leaf = (n: number): Uint8Array => utf8(`{"a":"${'x'.repeat(n - 8)}"}`)
    expect(profileFault(leaf(65535))).toBeUndefined()
    expect(profileFault(leaf(65536))).toEqual({ offset: 65535, reason: 'longer than 65535 bytes' })
  })
})
