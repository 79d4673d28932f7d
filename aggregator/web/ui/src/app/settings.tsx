// What a person chose for this browser: kept in localStorage, nowhere else.

import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react'
import { en, languages, preferredLanguage, TextsContext, type Texts } from '../i18n'
import type { Zone } from '../live/time'

export type Theme = 'light' | 'dark'
export type Density = 'desk' | 'touch'

interface Choices { theme?: Theme; density?: Density; zone?: Zone; language?: string; keys?: boolean }

export interface Settings {
  theme: Theme
  density: Density
  zone: Zone
  language: string
  /** One-key shortcuts (WCAG 2.1.4 asks that they can be switched off). */
  keys: boolean
  set(change: Choices): void
}

const KEY = 'linewatch.settings'

function read(): Choices {
  try {
    return (JSON.parse(localStorage.getItem(KEY) ?? '{}') ?? {}) as Choices
  } catch {
    return {}
  }
}

const dark = matchMedia('(prefers-color-scheme: dark)')
const coarse = matchMedia('(pointer: coarse)')

/** Whether a media query matches, also when it changes. */
export function useMatch(query: MediaQueryList): boolean {
  const [matches, setMatches] = useState(query.matches)
  useEffect(() => {
    const listen = () => setMatches(query.matches)
    query.addEventListener('change', listen)
    return () => query.removeEventListener('change', listen)
  }, [query])
  return matches
}

const SettingsContext = createContext<Settings | null>(null)

export function useSettings(): Settings {
  const settings = useContext(SettingsContext)
  if (!settings) throw new Error('useSettings outside of SettingsProvider')
  return settings
}

export function SettingsProvider({ children }: { children: ReactNode }) {
  const [choices, setChoices] = useState(read)
  const [texts, setTexts] = useState<Texts>(en)
  const isDark = useMatch(dark), isCoarse = useMatch(coarse)
  const set = useCallback((change: Choices) => {
    setChoices(old => {
      const next = { ...old, ...change }
      try {
        localStorage.setItem(KEY, JSON.stringify(next))
      } catch {
        // A browser that keeps nothing: the choice holds until the page is left.
      }
      return next
    })
  }, [])
  const settings = useMemo<Settings>(() => ({
    theme: choices.theme ?? (isDark ? 'dark' : 'light'),
    density: choices.density ?? (isCoarse ? 'touch' : 'desk'),
    zone: choices.zone ?? 'plant',
    language: preferredLanguage(choices.language ?? null, navigator.languages),
    keys: choices.keys ?? true,
    set,
  }), [choices, isDark, isCoarse, set])

  useEffect(() => {
    const root = document.documentElement
    root.dataset.theme = settings.theme
    root.dataset.mantineColorScheme = settings.theme
    root.dataset.density = settings.density
  }, [settings.theme, settings.density])

  useEffect(() => {
    let current = true
    void languages[settings.language]!.load().then(loaded => {
      if (!current) return
      setTexts(loaded)
      document.documentElement.lang = loaded.locale
    })
    return () => { current = false }
  }, [settings.language])

  return (
    <SettingsContext.Provider value={settings}>
      <TextsContext.Provider value={texts}>{children}</TextsContext.Provider>
    </SettingsContext.Provider>
  )
}
