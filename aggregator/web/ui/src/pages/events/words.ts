// What of an event the page writes in words.

import { ApiError } from '../../api/client'
import type { Leaf } from '../../api/types'
import { useSession } from '../../app/session'
import { useTexts, type Texts } from '../../i18n'
import { said } from '../../i18n/said'
import { explanation, sentence } from '../../i18n/sentence'
import { clock, clockMs, dayOf, instant, longDay, minutes, shortDay } from '../../live/time'

/** A failed request in a person's words. */
export function explain(error: unknown, t: Texts): string {
  const status = error instanceof ApiError ? error.status : Number((error as { status?: number })?.status ?? 500)
  if (status === 0) return t.errors[0]
  if (status === 403 || status === 429) return t.errors[status]
  const detail = error instanceof ApiError ? error.problem.detail ?? error.problem.title : undefined
  return detail ? said(detail, t.said) : t.errors[500]
}

/** With a capital and a full stop. */
export const sentenceCase = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? '' : '.')

/** The last two levels of a station's path: short, and unique within a line. */
export const shortStation = (path: string): string => path.split('/').slice(-2).join('/')

export interface Words {
  t: Texts
  zone: string
  title(leaf: Leaf): string
  /** Why a detector speaks; lang where that is not the page's language. */
  why(leaf: Leaf): { text: string; lang?: string } | undefined
  /** Time of a row: with the day when it isn't today's. */
  rowTime(ms: number, now: number): string
  /** "22 Nov 2026, 04:26:13.445" */
  fullTime(ms: number): string
  minute(ms: number): string
}

export function useWords(): Words {
  const t = useTexts()
  const { zone } = useSession()
  const moment = (iso: string) => {
    const at = instant(iso)
    return at === undefined ? iso : `${shortDay(at, zone, t.locale)} ${clock(at, zone)}`
  }
  return {
    t, zone,
    title: leaf => sentence(leaf, t, moment),
    why: leaf => explanation(leaf, t, moment),
    rowTime: (ms, now) => dayOf(ms, zone) === dayOf(now, zone) ? clockMs(ms, zone) : `${shortDay(ms, zone, t.locale)}, ${clockMs(ms, zone)}`,
    fullTime: ms => `${longDay(ms, zone, t.locale)}, ${clockMs(ms, zone)}`,
    minute: ms => minutes(ms, zone),
  }
}
