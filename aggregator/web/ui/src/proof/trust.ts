// The trust file of this browser: fingerprints of station keys, printed when a
// station was enrolled and brought here by a person, not by the server. Same
// file as for linewatch-verify.

export interface Trust {
  /** Fingerprints (hex SHA-256 of the public key) by agent id. */
  stations: Map<string, string[]>
  /** Where it came from, for showing. */
  name: string
}

const KEY = 'linewatch.trust'
const fingerprint = /^[0-9a-f]{64}$/

/** Parses a trust file; a string says what is wrong with it. */
export function parseTrust(text: string, name: string): Trust | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'it is no JSON'
  }
  const list = (value as { stations?: unknown } | null)?.stations
  if (!Array.isArray(list)) return 'it names no stations'
  const stations = new Map<string, string[]>()
  for (const item of list as { agent?: unknown; fingerprint?: unknown }[]) {
    const agent = item?.agent, print = String(item?.fingerprint ?? '').replaceAll(':', '').toLowerCase()
    if (typeof agent !== 'string' || !agent) return 'a station has no agent id'
    if (!fingerprint.test(print)) return `the fingerprint of ${agent} is not 64 hexadecimal digits`
    stations.set(agent, [...(stations.get(agent) ?? []), print])
  }
  if (stations.size === 0) return 'it names no stations'
  return { stations, name }
}

export function saveTrust(text: string, name: string): void {
  localStorage.setItem(KEY, JSON.stringify({ text, name }))
}

export const forgetTrust = (): void => localStorage.removeItem(KEY)

export function loadTrust(): Trust | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? 'null') as { text: string; name: string } | null
    const trust = kept && parseTrust(kept.text, kept.name)
    return trust && typeof trust !== 'string' ? trust : undefined
  } catch {
    return undefined // another program's value under our key
  }
}
