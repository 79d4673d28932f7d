import type { Severity } from '../api/types'

/** 1 Critical square, 2 High triangle, 3 Medium diamond, 4 Low circle; others have none. */
export const priorityOf: Partial<Record<Severity, 1 | 2 | 3 | 4>> = { critical: 1, high: 2, medium: 3, low: 4 }

const shapes = {
  1: <rect x="2" y="2" width="16" height="16" rx="1" />,
  2: <path d="M10 1.8 19 17.6a.5.5 0 0 1-.4.7H1.4a.5.5 0 0 1-.4-.7z" strokeLinejoin="round" />,
  3: <path d="M10 .9 19.1 10 10 19.1.9 10z" strokeLinejoin="round" />,
  4: <circle cx="10" cy="10" r="8" />,
}

/**
 * The mark of a priority: shape, colour and digit. Filled asks for action; the
 * outline only tells.
 */
export function Mark({ severity, label, size = 20, filled }: { severity: Severity; label: string; size?: number; filled?: boolean }) {
  const p = priorityOf[severity]
  if (!p) return null
  const solid = filled ?? p <= 2
  const colour = `var(--p${p})`
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 20 20" role="img" aria-label={label}>
      <g fill={solid ? colour : 'var(--panel)'} stroke={!solid && p === 3 ? 'var(--p3-line)' : colour} strokeWidth={solid ? 0 : 1.8}>{shapes[p]}</g>
      <text x="10" y={p === 2 ? 12.6 : 10.4} fill={solid ? `var(--p${p}-digit)` : 'var(--text)'}>{p}</text>
    </svg>
  )
}
