import { IconSearch } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useId, useRef, useState, type KeyboardEvent } from 'react'
import { api } from '../api/client'
import { useTexts } from '../i18n'
import { termText } from '../live/query'
import { useShortcut } from '../ui/keys'
import { useSession } from './session'

/** Search from anywhere: words go to Events, a station's name to its events. */
export function QuickSearch() {
  const t = useTexts()
  const { me } = useSession()
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const [active, setActive] = useState(-1)
  const [open, setOpen] = useState(false)
  const stations = useQuery({
    queryKey: ['stations'], queryFn: ({ signal }) => api.stations(signal), enabled: open && text.trim().length > 0 && me.permissions.includes('stations.read'), staleTime: 60_000,
  })
  useShortcut('/', () => input.current?.focus())

  const wanted = text.trim().toLowerCase()
  const found = wanted === '' ? [] : (stations.data?.stations ?? []).filter(s => s.station.includes(wanted)).slice(0, 6)
  const shown = open && found.length > 0
  const go = (q: string) => {
    setText('')
    setOpen(false)
    setActive(-1)
    input.current?.blur()
    void navigate({ to: '/events', search: { q } })
  }
  const onKey = (e: KeyboardEvent) => {
    if (e.key === 'Escape') input.current?.blur()
    if (e.key === 'ArrowDown') setActive(a => Math.min(found.length - 1, a + 1))
    if (e.key === 'ArrowUp') setActive(a => Math.max(-1, a - 1))
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') e.preventDefault()
    if (e.key !== 'Enter' || wanted === '') return
    const station = found[active]
    go(station ? termText({ field: 'station', path: [], op: ':', not: false, values: [station.station] }) : text.trim())
  }
  return (
    <div className="quick">
      <div className="field">
        <IconSearch size={18} stroke={1.7} aria-hidden="true" />
        <input ref={input} type="search" role="combobox" aria-label={t.bar.search} placeholder={t.bar.search} value={text} autoComplete="off" spellCheck={false}
          aria-expanded={shown} aria-controls={id} aria-activedescendant={shown && active >= 0 ? `${id}-${active}` : undefined}
          onChange={e => { setText(e.target.value); setOpen(true); setActive(-1) }} onFocus={() => setOpen(true)} onBlur={() => setOpen(false)} onKeyDown={onKey} />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <ul className="quick-list" id={id} role="listbox" aria-label={t.detail.station} hidden={!shown}>
        {found.map((s, i) => (
          <li key={s.station} id={`${id}-${i}`} role="option" aria-selected={i === active}
            onMouseDown={e => { e.preventDefault(); go('station:' + s.station) }}>{s.station}</li>
        ))}
      </ul>
    </div>
  )
}
