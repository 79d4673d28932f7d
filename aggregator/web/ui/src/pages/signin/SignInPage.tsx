import './signin.css'

import { useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useState, type FormEvent } from 'react'
import { api, ApiError } from '../../api/client'
import { Logo } from '../../app/Shell'
import { fill, useTexts, type Texts } from '../../i18n'
import { said } from '../../i18n/said'

/** Only a path of this application: never to another site. */
export function safeNext(next: string | undefined): string {
  return next && /^\/(?![/\\])[!-~]*$/.test(next) && !next.startsWith('/signin') ? next : '/events'
}

function reason(error: unknown, t: Texts): string {
  if (!(error instanceof ApiError)) return fill(t.signIn.failed, { detail: String(error) })
  if (error.status === 401 || error.status === 403) return t.signIn.wrong
  if (error.status === 429) return t.signIn.slow
  if (error.status === 0 || error.status >= 502) return t.signIn.unreachable
  return fill(t.signIn.failed, { detail: said(error.message, t.said) })
}

export default function SignInPage() {
  const t = useTexts()
  const { next } = useSearch({ from: '/signin' })
  const navigate = useNavigate()
  const queries = useQueryClient()
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  useEffect(() => { document.title = `${t.signIn.title} · Linewatch` }, [t])
  const submit = async (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const form = new FormData(e.currentTarget)
    const name = String(form.get('username') ?? '').trim(), password = String(form.get('password') ?? '')
    if (!name || !password) { setProblem(t.signIn.missing); return }
    setBusy(true)
    setProblem('')
    try {
      await api.signIn(name, password)
      queries.clear()
      await navigate({ href: safeNext(next), replace: true })
    } catch (error) {
      setProblem(reason(error, t))
      setBusy(false)
    }
  }
  return (
    <main className="sign-in">
      <form onSubmit={e => void submit(e)} noValidate>
        <div className="sign-in-brand"><Logo />Linewatch</div>
        <h1>{t.signIn.title}</h1>
        <label htmlFor="username">{t.signIn.name}</label>
        <div className="field"><input id="username" name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus required /></div>
        <label htmlFor="password">{t.signIn.password}</label>
        <div className="field"><input id="password" name="password" type="password" autoComplete="current-password" required aria-describedby="sign-in-problem" /></div>
        <p id="sign-in-problem" role="alert" className="sign-in-problem">{problem}</p>
        <button className="button primary" disabled={busy}>{busy ? t.signIn.busy : t.signIn.submit}</button>
        <p className="second small">{t.signIn.note}</p>
      </form>
    </main>
  )
}
