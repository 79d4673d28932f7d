// Why evidence does not hold, in the person's language.

import type { Fault } from '../proof/reasons'
import { fill, type Texts } from './index'

/** The text of a fault; what the profile says of a leaf is translated too. */
export function faultText({ code, params }: Fault, t: Texts): string {
  const profile = t.profile as Record<string, string>
  const said = typeof params.fault === 'string' && Object.hasOwn(profile, params.fault) ? { ...params, fault: profile[params.fault]! } : params
  const text = fill(t.reasons[code], said)
  return params.line === undefined ? text : fill(t.evidence.trustLine, { line: params.line, reason: text })
}
