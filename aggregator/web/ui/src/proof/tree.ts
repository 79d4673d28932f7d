// RFC 6962 hashes and the inclusion proof of one leaf. Indexes are bigint: a log
// may outgrow 2^53.

import { concat, type Bytes } from './bytes'
import type { Crypto } from './crypto'

export const leafHash = (c: Crypto, leaf: Bytes): Promise<Bytes> => c.sha256(concat(new Uint8Array([0]), leaf))

export const nodeHash = (c: Crypto, left: Bytes, right: Bytes): Promise<Bytes> =>
  c.sha256(concat(new Uint8Array([1]), left, right))

/**
 * Root to which a proof leads (RFC 9162 section 2.1.3.2), undefined when the
 * proof has not exactly the hashes that this index and size need.
 */
export async function rootOf(
  c: Crypto, leaf: Bytes, index: bigint, size: bigint, proof: readonly Bytes[],
): Promise<Bytes | undefined> {
  if (index < 0n || index >= size) return undefined
  let fn = index
  let sn = size - 1n
  let hash = leaf
  for (const sibling of proof) {
    if (sn === 0n) return undefined
    if ((fn & 1n) === 1n || fn === sn) {
      hash = await nodeHash(c, sibling, hash)
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      hash = await nodeHash(c, hash, sibling)
    }
    fn >>= 1n
    sn >>= 1n
  }
  return sn === 0n ? hash : undefined
}
