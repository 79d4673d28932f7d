import { createRootRoute, createRoute, createRouter, Navigate, Outlet, redirect, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useCallback } from 'react'
import { SessionProvider } from './session'
import { Shell } from './Shell'

const EventsPage = lazy(() => import('../pages/events/EventsPage'))
const SignInPage = lazy(() => import('../pages/signin/SignInPage'))

/** Search parameters are plain text: q=severity>=high, never JSON. */
export function parseSearch(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text))
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(search)) if (value !== undefined && value !== '') params.set(key, String(value))
  // A filter in a link should stay readable.
  const text = params.toString().replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%2C', ',').replaceAll('%2A', '*')
  return text && '?' + text
}

const root = createRootRoute({ component: Outlet, notFoundComponent: () => <Navigate to="/events" search={{ q: '' }} replace /> })

function Inside() {
  const navigate = useNavigate()
  const leave = useCallback(() => {
    void navigate({ to: '/signin', search: { next: location.pathname + location.search }, replace: true })
  }, [navigate])
  return (
    <SessionProvider onSignedOut={leave}>
      <Shell><Suspense fallback={null}><Outlet /></Suspense></Shell>
    </SessionProvider>
  )
}

const inside = createRoute({ getParentRoute: () => root, id: 'inside', component: Inside })

const home = createRoute({
  getParentRoute: () => root, path: '/', beforeLoad: () => { throw redirect({ to: '/events', search: { q: '' }, replace: true }) },
})

export interface EventsSearch { q: string; ev?: string }

const events = createRoute({
  getParentRoute: () => inside, path: '/events', component: EventsPage,
  validateSearch: (s: Record<string, unknown>): EventsSearch => ({ q: String(s.q ?? ''), ev: s.ev ? String(s.ev) : undefined }),
})

const signIn = createRoute({
  getParentRoute: () => root, path: '/signin', component: () => <Suspense fallback={null}><SignInPage /></Suspense>,
  validateSearch: (s: Record<string, unknown>): { next?: string } => ({ next: s.next ? String(s.next) : undefined }),
})

export const router = createRouter({
  routeTree: root.addChildren([home, inside.addChildren([events]), signIn]), parseSearch, stringifySearch,
})

declare module '@tanstack/react-router' {
  interface Register { router: typeof router }
}
