// The language of the page: English is inside the program, others come when chosen.

import { createContext, useContext } from 'react'
import { en, type Texts } from './en'

export type { Texts } from './en'
export { en } from './en'

export const languages: Record<string, { name: string; load: () => Promise<Texts> }> = {
  en: { name: 'English', load: async () => en },
  de: { name: 'Deutsch', load: async () => (await import('./de')).de },
}

/** The person's choice, else the browser's first language that we have. */
export function preferredLanguage(chosen: string | null, browser: readonly string[]): string {
  if (chosen && chosen in languages) return chosen
  return browser.map(tag => tag.split('-')[0]!).find(tag => tag in languages) ?? 'en'
}

/** Replaces {name} in a text. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{([a-zA-Z]+)\}/g, (whole, name: string) => name in values ? String(values[name]) : whole)
}

const counts = new Map<string, Intl.NumberFormat>()

/** A count with the language's thousands separator. */
export function count(n: number, locale: string): string {
  let format = counts.get(locale)
  if (!format) counts.set(locale, (format = new Intl.NumberFormat(locale)))
  return format.format(n)
}

export const TextsContext = createContext<Texts>(en)
export const useTexts = (): Texts => useContext(TextsContext)
