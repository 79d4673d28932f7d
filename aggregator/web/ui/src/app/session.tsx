// Who is signed in, what the plant is called, and the live link: made once behind
// the sign-in page.

import { useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from 'react'
import { api, ApiError } from '../api/client'
import type { About, Me } from '../api/types'
import { useTexts } from '../i18n'
import { Link, streamURL, type LinkView } from '../live/link'
import { zoneName } from '../live/time'
import { useSettings } from './settings'

interface Session { me: Me; about: About; link: Link; zone: string }

const SessionContext = createContext<Session | null>(null)

export function useSession(): Session {
  const session = useContext(SessionContext)
  if (!session) throw new Error('useSession outside of SessionProvider')
  return session
}

export function useLinkView(): LinkView {
  const { link } = useSession()
  return useSyncExternalStore(link.listen, link.snapshot)
}

/** Whether an error means that nobody is signed in (any more). */
export const signedOut = (error: unknown): boolean => error instanceof ApiError && error.status === 401

export function SessionProvider({ children, onSignedOut }: { children: ReactNode; onSignedOut: () => void }) {
  const t = useTexts()
  const { zone } = useSettings()
  const me = useQuery({ queryKey: ['me'], queryFn: ({ signal }) => api.me(signal), staleTime: 60_000 })
  const about = useQuery({ queryKey: ['about'], queryFn: ({ signal }) => api.about(signal), staleTime: 600_000, enabled: me.data !== undefined })
  const [link] = useState(() => new Link(streamURL(location)))
  const ready = me.data !== undefined && about.data !== undefined
  const queries = useQueryClient()
  const out = signedOut(me.error) || signedOut(about.error)

  useEffect(() => { if (out) onSignedOut() }, [out, onSignedOut])
  useEffect(() => {
    if (!ready) return
    link.start()
    // A link that breaks may mean that the session ended: /me tells.
    let before = link.snapshot().state
    const forget = link.listen(() => {
      const { state } = link.snapshot()
      if (state === 'lost' && before !== 'lost') void queries.invalidateQueries({ queryKey: ['me'] })
      before = state
    })
    return () => { forget(); link.stop() }
  }, [ready, link, queries])

  const session = useMemo(() => {
    if (!me.data || !about.data) return null
    return { me: me.data, about: about.data, link, zone: zoneName(zone, about.data.time_zone) }
  }, [me.data, about.data, link, zone])

  if (session) return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>
  if ((me.isError || about.isError) && !out) {
    return (
      <main className="lonely">
        <p>{t.signIn.unreachable}</p>
        <button className="button" onClick={() => void (me.isError ? me.refetch() : about.refetch())}>{t.app.retry}</button>
      </main>
    )
  }
  return <main className="lonely" aria-busy="true"><p className="late">{t.app.loading}</p></main>
}
