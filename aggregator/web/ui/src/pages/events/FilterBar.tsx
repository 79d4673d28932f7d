import { IconSearch, IconX } from '@tabler/icons-react'
import { useCallback, useEffect, useId, useRef, useState } from 'react'
import { ApiError } from '../../api/client'
import type { ProblemDocument } from '../../api/types'
import { fill, useTexts } from '../../i18n'
import { said } from '../../i18n/said'
import { parse, QueryError, split, without, withTerm } from '../../live/query'
import { sentenceCase } from './words'

interface Props { q: string; onChange: (q: string, replace?: boolean) => void; serverError: unknown }

interface Mistake { pos: number; len: number; message: string; suggestion: string }

/** The mistake in a text, found here or by the server. */
function mistakeIn(text: string, q: string, serverError: unknown): Mistake | undefined {
  try {
    parse(text, Date.now())
  } catch (e) {
    if (e instanceof QueryError) return { pos: e.pos, len: e.len, message: e.message, suggestion: e.suggestion }
    throw e
  }
  const problem: ProblemDocument | undefined = serverError instanceof ApiError && serverError.status === 400
    ? serverError.problem : (serverError as { problem?: ProblemDocument } | undefined)?.problem
  if (!problem || problem.pos === undefined || text !== q) return undefined
  return { pos: problem.pos, len: problem.len ?? 1, message: problem.detail ?? problem.title ?? '', suggestion: problem.suggestion ?? '' }
}

export function FilterBar({ q, onChange, serverError }: Props) {
  const t = useTexts()
  const id = useId()
  const [text, setText] = useState(q)
  const [scroll, setScroll] = useState(0)
  const input = useRef<HTMLInputElement>(null)
  // A change from outside (chip, link, back button) replaces what is typed; our own
  // comes back trimmed, and who wrote a space at the end goes on behind it.
  const sent = useRef(q)
  useEffect(() => {
    if (q === sent.current) return
    sent.current = q
    setText(q)
  }, [q])
  const send = useCallback((next: string, replace?: boolean) => {
    sent.current = next
    onChange(next, replace)
  }, [onChange])
  const mistake = mistakeIn(text, q, serverError)
  const message = mistake && said(mistake.message, t.said)
  useEffect(() => {
    if (mistake || text.trim() === q.trim()) return
    const timer = setTimeout(() => send(text.trim(), true), 500)
    return () => clearTimeout(timer)
  }, [text, q, mistake, send])
  const repair = () => {
    if (!mistake) return
    setText(text.slice(0, mistake.pos) + mistake.suggestion + text.slice(mistake.pos + mistake.len))
    input.current?.focus()
  }
  return (
    <div className="filter">
      <div className="filter-box">
        <div className="field mono" aria-invalid={mistake !== undefined}>
          <IconSearch size={18} stroke={1.7} aria-hidden="true" />
          <div className="filter-text">
            <div className="filter-under" aria-hidden="true"><div style={{ transform: `translateX(${-scroll}px)` }}>
              {mistake && <>{text.slice(0, mistake.pos)}<mark>{text.slice(mistake.pos, mistake.pos + Math.max(1, mistake.len)) || ' '}</mark></>}
            </div></div>
            <input ref={input} aria-label={t.events.filter} placeholder={t.events.placeholder} value={text} spellCheck={false} autoCapitalize="none" autoComplete="off"
              aria-invalid={mistake !== undefined} aria-describedby={id} onChange={e => setText(e.target.value)} onScroll={e => setScroll(e.currentTarget.scrollLeft)}
              onKeyDown={e => {
                if (e.key === 'Enter' && !mistake) send(text.trim())
                if (e.key === 'Escape') e.currentTarget.blur()
              }} />
          </div>
          {text !== '' && <button className="clear" aria-label={t.events.clear} title={t.events.clear} onClick={() => { setText(''); send(''); input.current?.focus() }}><IconX size={16} /></button>}
        </div>
        <p id={id} className="filter-mistake" role="status">
          {mistake && message && <>{sentenceCase(message)} {mistake.suggestion && <><button className="link" onClick={repair}>{fill(t.events.useSuggestion, { text: mistake.suggestion })}</button></>}</>}
        </p>
      </div>
      <Chips q={q} onChange={onChange} />
    </div>
  )
}

/** Changes of what runs: programs, recipes, parameters, configurations. */
const changes = 'type:*.change,*.*_change,program.download,quality.override,safety.override'

function Chips({ q, onChange }: { q: string; onChange: (q: string) => void }) {
  const t = useTexts()
  const chips: [string, string][] = [
    [t.chips.urgent, 'severity>=high'], [t.chips.quality, 'type:quality.*'], [t.chips.equipment, 'type:equipment.*'], [t.chips.security, 'class:security'], [t.chips.changes, changes],
  ]
  const terms = split(q)
  return (
    <div className="chips" role="group" aria-label={t.chips.label}>
      {chips.map(([name, term]) => {
        const on = terms.includes(term)
        return <button key={term} className="chip" aria-pressed={on} onClick={() => onChange(on ? without(q, term) : withTerm(q, term))}>{name}</button>
      })}
    </div>
  )
}
