// The word that somebody meant when they mistyped it; as shared/nearest.

/**
 * Closest candidate: at most two edits, and fewer than half of the word; else the
 * only one that begins with the word; '' for none.
 */
export function nearest(word: string, candidates: readonly string[]): string {
  let best = 3, found = ''
  for (const c of candidates) {
    const d = distance(word, c)
    if (d < best && 2 * d < Math.max(word.length, c.length)) {
      best = d
      found = c
    }
  }
  if (found || word.length < 3) return found
  const begin = [...new Set(candidates)].filter(c => c.startsWith(word))
  return begin.length === 1 ? begin[0]! : ''
}

/** Restricted Damerau-Levenshtein distance; 3 stands for anything larger. */
function distance(a: string, b: string): number {
  if (a.length > b.length + 2 || b.length > a.length + 2 || a.length > 64) return 3
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let d = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, before[j - 2]! + 1)
      current[j] = d
    }
    before = previous
    previous = current
  }
  return previous[b.length]!
}
