// Bytes, base64 and hex, strictly: what is not canonical is refused.

export type Bytes = Uint8Array<ArrayBuffer>

const base64Text = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Standard base64 with padding; undefined when it isn't. */
export function fromBase64(text: string): Bytes | undefined {
  if (!base64Text.test(text)) return undefined
  const raw = atob(text)
  const out = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i)
  return toBase64(out) === text ? out : undefined
}

export function toBase64(bytes: Uint8Array): string {
  let raw = ''
  for (let i = 0; i < bytes.length; i += 8192) raw += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(raw)
}

export const toHex = (bytes: Uint8Array): string => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('')

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((v, i) => v === b[i])
}

export function concat(...parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of these bytes, a byte order mark included; undefined when they are no UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

const decimal = /^(?:0|[1-9][0-9]{0,18})$/
/** The largest size of a log, and the last second of a cosignature. */
export const MAX_SIZE = (1n << 63n) - 1n

/** A decimal number up to 2^63 - 1 in its one spelling. */
export function whole(text: string): bigint | undefined {
  const n = decimal.test(text) ? BigInt(text) : undefined
  return n !== undefined && n <= MAX_SIZE ? n : undefined
}

/** Whether a key of a note may have this name; \s differs from Unicode's White_Space, which the format names. */
export const isName = (text: string): boolean => /^[^\p{White_Space}+]+$/u.test(text)

export const utf8 = (text: string): Bytes => encoder.encode(text)
