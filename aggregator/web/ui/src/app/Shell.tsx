import { IconList } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTexts } from '../i18n'
import { useSession } from './session'
import { TopBar } from './TopBar'

/** The pages that exist, in the order of the navigation. */
const pages = [{ to: '/events', text: 'events', icon: IconList }] as const

export function Logo() {
  return (
    <svg width="24" height="24" viewBox="0 0 24 24" aria-hidden="true">
      <rect width="24" height="24" rx="5" fill="#e4e8eb" />
      <path d="M4 12.5h3.5L9.8 6l4 11 2.2-4.5h4" fill="none" stroke="#263038" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  )
}

export function Shell({ children }: { children: ReactNode }) {
  const t = useTexts()
  const { about } = useSession()
  return (
    <div className="shell">
      <a className="skip" href="#page">{t.app.skip}</a>
      <nav className="side" aria-label={t.nav.main} data-pages={pages.length}>
        <div className="brand"><Logo />Linewatch</div>
        <ul>
          {pages.map(({ to, text, icon: Icon }) => (
            <li key={to}><Link to={to} search={{ q: '' }} activeOptions={{ includeSearch: false }}><Icon size={20} stroke={1.7} aria-hidden="true" />{t.nav[text]}</Link></li>
          ))}
        </ul>
        <p className="plant">{about.plant}</p>
      </nav>
      <TopBar />
      <main id="page" className="page" tabIndex={-1}>{children}</main>
    </div>
  )
}
