import { describe, expect, it } from 'vitest'
import { clockMs, dayOf, instant, longDay, minutes, offsetLabel, rfc3339, zoneName } from './time'

const at = (text: string) => Date.parse(text)

describe('plant time', () => {
  it('is shown with its offset, summer and winter', () => {
    expect(clockMs(at('2026-11-22T03:26:13.445Z'), 'Europe/Berlin')).toBe('04:26:13.445')
    expect(offsetLabel(at('2026-11-22T03:26:13Z'), 'Europe/Berlin')).toBe('UTC+1')
    expect(offsetLabel(at('2026-07-22T03:26:13Z'), 'Europe/Berlin')).toBe('UTC+2')
    expect(offsetLabel(at('2026-07-22T03:26:13Z'), 'Asia/Kolkata')).toBe('UTC+5:30')
    expect(offsetLabel(at('2026-07-22T03:26:13Z'), 'America/St_Johns')).toBe('UTC−2:30')
    expect(offsetLabel(at('2026-07-22T03:26:13Z'), 'UTC')).toBe('UTC')
  })
  it('changes exactly when the clocks change', () => {
    expect(minutes(at('2026-03-29T00:59:59Z'), 'Europe/Berlin')).toBe('01:59')
    expect(minutes(at('2026-03-29T01:00:00Z'), 'Europe/Berlin')).toBe('03:00')
    expect(minutes(at('2026-10-25T00:30:00Z'), 'Europe/Berlin')).toBe('02:30')
    expect(minutes(at('2026-10-25T01:30:00Z'), 'Europe/Berlin')).toBe('02:30')
  })
  it('has the day of the plant, not of UTC', () => {
    const late = at('2026-11-21T23:30:00Z')
    expect(longDay(late, 'Europe/Berlin', 'en-GB')).toBe('22 Nov 2026')
    expect(dayOf(late, 'Europe/Berlin')).toBe(dayOf(late, 'UTC') + 1)
  })
  it('bears the years that broken controllers send', () => {
    expect(clockMs(at('1601-01-01T00:00:00.001Z'), 'UTC')).toBe('00:00:00.001')
    expect(clockMs(0, 'Europe/Berlin')).toBe('01:00:00.000')
  })
  it('is read from texts that name one, and from no others', () => {
    expect(instant('2026-11-22T03:26:13.5+01:00')).toBe(at('2026-11-22T02:26:13.500Z'))
    for (const none of ['0000-00-00T00:00:00Z', '2026-13-01T00:00:00Z', '2026-11-22T25:00:00Z', '2016-12-31T23:59:60Z', '2026-11-22', '4711', '']) expect(instant(none), none).toBeUndefined()
  })
  it('is the choice of the person', () => {
    expect(zoneName('plant', 'Asia/Tokyo')).toBe('Asia/Tokyo')
    expect(zoneName('plant', '')).toBe('UTC')
    expect(zoneName('utc', 'Asia/Tokyo')).toBe('UTC')
  })
  it('goes into filters as UTC without needless zeros', () => {
    expect(rfc3339(at('2026-11-22T03:26:13.000Z'))).toBe('2026-11-22T03:26:13Z')
    expect(rfc3339(at('2026-11-22T03:26:13.040Z'))).toBe('2026-11-22T03:26:13.040Z')
  })
})
