// IP addresses and prefixes in the one form that Go's netip writes.

interface Address { bits: number; words: number[]; mapped: boolean }

function ipv4(text: string): number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every(p => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256)) return undefined
  return parts.map(Number)
}

function parseIP(text: string): Address | undefined {
  const four = ipv4(text)
  if (four) return { bits: 32, words: [four[0]! * 256 + four[1]!, four[2]! * 256 + four[3]!], mapped: false }
  const halves = text.split('::')
  if (halves.length > 2 || !text.includes(':')) return undefined
  const groups = halves.map(h => h === '' ? [] : h.split(':'))
  const words = groups.map((g, half) => g.flatMap((w, i): (number | undefined)[] => {
    if (half === groups.length - 1 && i === g.length - 1 && w.includes('.')) {
      const tail = ipv4(w)
      return tail ? [tail[0]! * 256 + tail[1]!, tail[2]! * 256 + tail[3]!] : [undefined]
    }
    return [/^[0-9a-fA-F]{1,4}$/.test(w) ? parseInt(w, 16) : undefined]
  }))
  const n = words.reduce((sum, w) => sum + w.length, 0)
  if (words.flat().includes(undefined) || (halves.length === 1 ? n !== 8 : n > 7)) return undefined
  const all = [...words[0]!, ...Array<number>(halves.length === 2 ? 8 - n : 0).fill(0), ...(words[1] ?? [])] as number[]
  return { bits: 128, words: all, mapped: all.slice(0, 5).every(w => w === 0) && all[5] === 0xffff }
}

const dotted = (words: number[]): string => words.flatMap(w => [w >> 8, w & 255]).join('.')

function writeIP(a: Address): string {
  if (a.bits === 32) return dotted(a.words)
  if (a.mapped) return '::ffff:' + dotted(a.words.slice(6))
  // The longest run of two or more zero groups, the first of equal ones, becomes "::".
  let from = -1, length = 1
  for (let i = 0; i < 8; i++) {
    let j = i
    while (j < 8 && a.words[j] === 0) j++
    if (j - i > length) { from = i; length = j - i }
    if (j > i) i = j
  }
  const hex = (words: number[]) => words.map(w => w.toString(16)).join(':')
  return from < 0 ? hex(a.words) : `${hex(a.words.slice(0, from))}::${hex(a.words.slice(from + length))}`
}

/** Canonical address, undefined when it is none. */
export function address(text: string): string | undefined {
  const a = parseIP(text)
  return a && writeIP(a)
}

/** Canonical prefix, host bits cleared, undefined when it is none. */
export function prefix(text: string): string | undefined {
  const slash = text.lastIndexOf('/')
  const a = parseIP(text.slice(0, slash)), length = text.slice(slash + 1)
  if (!a || !/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > a.bits) return undefined
  const keep = Number(length)
  a.words = a.words.map((w, i) => {
    const n = Math.min(16, Math.max(0, keep - i * 16))
    return w & (0xffff << (16 - n)) & 0xffff
  })
  a.mapped = a.mapped && a.words[5] === 0xffff
  return `${writeIP(a)}/${keep}`
}
