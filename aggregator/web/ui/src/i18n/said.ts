// What programs say in English, and a language says in its own words: mistakes in a
// filter, answers of the server, reasons in events. A table goes from English to the
// language; {name} in both stands for what differs.

export type SaidTable = Readonly<Record<string, string>>

interface Pattern { start: string; fits: RegExp; names: string[]; text: string }

const patterns = new WeakMap<SaidTable, Pattern[]>()
const hole = /\{(\w+)\}/g

function patternsOf(table: SaidTable): Pattern[] {
  let list = patterns.get(table)
  if (!list) {
    list = Object.entries(table).filter(([english]) => english.includes('{')).map(([english, text]) => ({
      start: english.slice(0, english.indexOf('{')), names: [...english.matchAll(hole)].map(m => m[1]!), text,
      fits: new RegExp('^' + english.split(hole).map((part, i) => i % 2 ? '(.+?)' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('') + '$', 's'),
    }))
    patterns.set(table, list)
  }
  return list
}

/** The text in the table's language, or as it came. */
export function said(text: string, table: SaidTable): string {
  if (Object.hasOwn(table, text)) return table[text]!
  for (const { start, fits, names, text: own } of patternsOf(table)) {
    const found = text.startsWith(start) ? fits.exec(text) : null
    if (found) return own.replace(hole, (whole, name: string) => found[names.indexOf(name) + 1] ?? whole)
  }
  return text
}
