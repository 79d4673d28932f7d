// The profile of leaves, checked on their bytes: JSON.parse takes keys that stand
// there twice, lone surrogates and numbers that no two programs read alike, so a
// sound seal alone does not say that everybody sees the same event. As Check in
// shared/event; both pass the table shared/event/testdata/profile.json.

import type { ProfileReason } from './reasons'

type Why = ProfileReason | `unexpected '${string}'`

export interface Fault { offset: number; reason: Why }

const maxLeaf = 65535, maxDepth = 16, maxNumber = 40, maxInteger = 2n ** 53n

/** Why the bytes are no leaf of the profile; undefined when they are one. */
export function profileFault(leaf: Uint8Array): Fault | undefined {
  try {
    new Scanner(leaf).leaf()
    return undefined
  } catch (e) {
    if (e instanceof Outside) return { offset: e.offset, reason: e.reason }
    throw e
  }
}

class Outside extends Error {
  constructor(readonly offset: number, readonly reason: Why) { super(reason) }
}

const code = (c: string): number => c.charCodeAt(0)
const [quote, backslash, zero, nine] = [code('"'), code('\\'), code('0'), code('9')] as const

class Scanner {
  private i = 0
  private depth = 0

  constructor(private readonly b: Uint8Array) {}

  leaf(): void {
    if (this.b.length > maxLeaf) this.fail(maxLeaf, 'longer than 65535 bytes')
    if (this.b.length === 0) this.fail(0, 'unexpected end')
    if (this.b[0] !== code('{')) this.fail(0, 'not an object')
    this.object()
    if (this.i < this.b.length) this.fail(this.i, 'bytes after the object')
  }

  private fail(offset: number, reason: Why): never { throw new Outside(offset, reason) }

  private unexpected(): never {
    const c = this.b[this.i]
    if (c === undefined) this.fail(this.i, 'unexpected end')
    if (c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d) this.fail(this.i, 'white space')
    this.fail(this.i, `unexpected ${quoted(c)}`)
  }

  private value(): void {
    const c = this.b[this.i]
    if (c === code('{')) this.object()
    else if (c === code('[')) this.array()
    else if (c === quote) this.text()
    else if (c === code('t')) this.word('true')
    else if (c === code('f')) this.word('false')
    else if (c === code('n')) this.word('null')
    else if (c === code('-') || isDigit(c)) this.number()
    else this.unexpected()
  }

  private word(word: string): void {
    for (let k = 0; k < word.length; k++) {
      if (this.b[this.i + k] !== word.charCodeAt(k)) this.fail(this.i, 'unknown word')
    }
    this.i += word.length
  }

  private enter(): void {
    if (++this.depth > maxDepth) this.fail(this.i, 'nested too deeply')
    this.i++
  }

  /** Goes over a comma, or over the end; true at the end. */
  private ends(end: string): boolean {
    const c = this.b[this.i]
    if (c !== code(end) && c !== code(',')) this.unexpected()
    this.i++
    if (c === code(',')) return false
    this.depth--
    return true
  }

  private object(): void {
    this.enter()
    if (this.b[this.i] === code('}') && this.ends('}')) return
    const keys = new Set<string>()
    do {
      if (this.b[this.i] !== quote) this.unexpected()
      const at = this.i, key = this.text()
      if (keys.has(key)) this.fail(at, 'key used twice')
      keys.add(key)
      if (this.b[this.i] !== code(':')) this.unexpected()
      this.i++
      this.value()
    } while (!this.ends('}'))
  }

  private array(): void {
    this.enter()
    if (this.b[this.i] === code(']') && this.ends(']')) return
    do this.value()
    while (!this.ends(']'))
  }

  /** Reads a text from its quote on and returns it without escapes. */
  private text(): string {
    let out = '', i = this.i + 1
    for (;;) {
      const c = this.b[i]
      if (c === undefined) this.fail(i, 'unexpected end of a text')
      if (c === quote) break
      if (c === backslash) {
        const [text, length] = this.escape(i)
        out += text
        i += length
      } else if (c < 0x20) {
        this.fail(i, c === 0 ? 'NUL' : 'control character in a text')
      } else {
        const length = this.sequence(i)
        out += decoder.decode(this.b.subarray(i, i + length))
        i += length
      }
    }
    this.i = i + 1
    return out
  }

  private escape(i: number): [text: string, length: number] {
    const c = this.b[i + 1]
    if (c === undefined) this.fail(i, 'unexpected end of a text')
    const plain = escapes[String.fromCharCode(c)]
    if (plain !== undefined) return [plain, 2]
    if (c !== code('u')) this.fail(i, 'unknown escape')
    const unit = this.hex(i + 2)
    if (unit === undefined) this.fail(i, 'broken \\u escape')
    if (unit === 0) this.fail(i, 'NUL')
    if (unit < 0xd800 || unit >= 0xe000) return [String.fromCharCode(unit), 6]
    const low = this.b[i + 6] === backslash && this.b[i + 7] === code('u') ? this.hex(i + 8) : undefined
    if (unit >= 0xdc00 || low === undefined || low < 0xdc00 || low >= 0xe000) this.fail(i, 'lone surrogate')
    return [String.fromCharCode(unit, low), 12]
  }

  private hex(i: number): number | undefined {
    const text = String.fromCharCode(...this.b.subarray(i, i + 4))
    return /^[0-9a-fA-F]{4}$/.test(text) ? parseInt(text, 16) : undefined
  }

  /** Length of the UTF-8 sequence at i (RFC 3629). */
  private sequence(i: number): number {
    const a = this.b[i]!, second = this.b[i + 1] ?? 0
    const length = a < 0x80 ? 1 : a >= 0xc2 && a < 0xe0 ? 2 : a >= 0xe0 && a < 0xf0 ? 3 : a >= 0xf0 && a < 0xf5 ? 4 : 0
    let sound = length > 0
    for (let k = 1; k < length; k++) sound &&= ((this.b[i + k] ?? 0) & 0xc0) === 0x80
    sound &&= !(a === 0xe0 && second < 0xa0) && !(a === 0xed && second > 0x9f) && !(a === 0xf0 && second < 0x90) && !(a === 0xf4 && second > 0x8f)
    if (!sound) this.fail(i, 'invalid UTF-8')
    return length
  }

  private number(): void {
    const from = this.i
    const digits = (): boolean => {
      const start = this.i
      while (isDigit(this.b[this.i])) this.i++
      return this.i > start
    }
    if (this.b[this.i] === code('-')) this.i++
    const first = this.i
    if (!digits()) this.fail(from, 'broken number')
    if (this.b[first] === zero && this.i > first + 1) this.fail(from, 'number with a leading zero')
    let integer = true
    if (this.b[this.i] === code('.')) {
      integer = false
      this.i++
      if (!digits()) this.fail(from, 'broken number')
    }
    if (this.b[this.i] === code('e') || this.b[this.i] === code('E')) {
      integer = false
      this.i++
      if (this.b[this.i] === code('+') || this.b[this.i] === code('-')) this.i++
      if (!digits()) this.fail(from, 'broken number')
    }
    const reason = numberFault(String.fromCharCode(...this.b.subarray(from, this.i)), integer)
    if (reason !== '') this.fail(from, reason)
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const escapes: Record<string, string> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

const isDigit = (c: number | undefined): boolean => c !== undefined && c >= zero && c <= nine

function numberFault(token: string, integer: boolean): ProfileReason | '' {
  if (token.length > maxNumber) return 'number of more than 40 characters'
  if (integer) {
    const n = BigInt(token.replace('-', ''))
    return n > maxInteger ? 'integer beyond 2^53' : ''
  }
  const [mantissa, exponent] = token.split(/[eE]/) as [string, string?]
  if (exponent === undefined) return ''
  const n = Number(token)
  if (exponent.replace(/^[+-]/, '').length > 3 || !Number.isFinite(n) || n === 0 && /[1-9]/.test(mantissa)) return 'number outside float64'
  return ''
}

/** A byte as the message names it, for example 'x' or '\x00'. */
function quoted(c: number): `'${string}'` {
  const text = String.fromCharCode(c)
  if (text === "'" || text === '\\') return `'\\${text}'`
  return c < 0x20 || c === 0x7f ? `'\\x${c.toString(16).padStart(2, '0')}'` : `'${text}'`
}
