import { useEffect, useRef } from 'react'
import { useSettings } from '../app/settings'

const typing = 'input, textarea, select, [contenteditable], [role="menu"], [role="listbox"]'

/**
 * A one-key shortcut. It rests while a person types or a menu is open, and when
 * shortcuts are switched off; Escape always works.
 */
export function useShortcut(key: string, act: () => void, enabled = true): void {
  const { keys } = useSettings()
  const latest = useRef(act)
  latest.current = act
  useEffect(() => {
    if (!enabled || (!keys && key !== 'Escape')) return
    const listen = (e: KeyboardEvent) => {
      if (e.key !== key || e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return
      const target = e.target as Element | null
      if (target?.closest?.(typing)) return
      // Space and Enter press the button that has the focus.
      if ((key === ' ' || key === 'Enter') && target?.closest?.('button, a, summary')) return
      e.preventDefault()
      latest.current()
    }
    document.addEventListener('keydown', listen)
    return () => document.removeEventListener('keydown', listen)
  }, [key, keys, enabled])
}
