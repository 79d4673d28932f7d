// SHA-256 and Ed25519: WebCrypto where the browser has it (https), else the same
// in JavaScript, loaded only then (plain http on a plant network has no
// crypto.subtle, and older browsers have it without Ed25519).

import type { Bytes } from './bytes'

export interface Crypto {
  readonly name: 'WebCrypto' | 'JavaScript'
  sha256(data: Bytes): Promise<Bytes>
  verifyEd25519(key: Bytes, message: Bytes, signature: Bytes): Promise<boolean>
}

function webCrypto(subtle: SubtleCrypto): Crypto {
  return {
    name: 'WebCrypto',
    sha256: async data => new Uint8Array(await subtle.digest('SHA-256', data)),
    async verifyEd25519(key, message, signature) {
      const imported = await subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify'])
      return await subtle.verify('Ed25519', imported, signature, message)
    },
  }
}

async function javaScript(): Promise<Crypto> {
  const [{ ed25519 }, { sha256 }] = await Promise.all([import('@noble/curves/ed25519.js'), import('@noble/hashes/sha2.js')])
  return {
    name: 'JavaScript',
    sha256: async data => new Uint8Array(sha256(data)),
    // zip215: false is RFC 8032, as Go and WebCrypto check it.
    async verifyEd25519(key, message, signature) {
      try {
        return ed25519.verify(signature, message, key, { zip215: false })
      } catch {
        return false // not a point of the curve
      }
    },
  }
}

async function hasEd25519(subtle: SubtleCrypto): Promise<boolean> {
  try {
    // The base point's encoding: any valid key will do.
    const key = new Uint8Array(32).fill(0x66)
    key[0] = 0x58
    await subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify'])
    return true
  } catch {
    return false
  }
}

let chosen: Promise<Crypto> | undefined

/** The crypto of this browser, chosen once. */
export function browserCrypto(): Promise<Crypto> {
  chosen ??= (async () => {
    const subtle = globalThis.crypto?.subtle
    return subtle && await hasEd25519(subtle) ? webCrypto(subtle) : await javaScript()
  })()
  return chosen
}

export { javaScript as javaScriptCrypto, webCrypto as webCryptoOf }
