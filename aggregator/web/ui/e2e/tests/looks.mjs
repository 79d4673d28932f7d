import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { alarm } from '../mock/line.mjs'
import { assert, quiet, until } from './help.mjs'
import { sealedEvent } from './sealed.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const fault = mock => [...mock.world.events].reverse().find(e => e.leaf.event_type === 'equipment.fault')

/** WCAG 2.2 AA by axe; the page's own policy lets no script in, so it runs in a debugger's world. */
async function accessible(page, what) {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
  const list = violations.map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? '')).join(' || ')}`)
  assert.deepEqual(list, [], what)
}

async function noSideways(page, what) {
  const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert.ok(wide <= room, `${what}: the page is ${wide} wide, the screen ${room}`)
}

const themes = ['light', 'dark']
const sizes = [[1440, 900, false], [1024, 768, true], [820, 1180, true], [412, 915, true]]

const access = themes.map(theme => [`axe finds nothing in the ${theme} theme`, async ({ mock, page, open }) => {
  await open()
  await accessible(page, 'list')
  await page.getByRole('button', { name: 'You and your settings' }).click()
  await accessible(page, 'menu')
  await open('/events?ev=' + fault(mock).leaf.id, '.checks')
  await page.waitForSelector('.around [aria-current]')
  await accessible(page, 'detail')
  mock.opens = ['person']
  await open('/events?ev=' + sealedEvent(mock.world).leaf.id, '.sealed-open')
  await page.waitForSelector('.checks')
  await accessible(page, 'sealed fields')
  await open('/events?q=station:nowhere', '.empty')
  await accessible(page, 'empty')
  mock.tamper = fault(mock).leaf.id
  await open('/events?ev=' + mock.tamper, '.verdict[data-verdict=broken]')
  await accessible(page, 'refused event')
  mock.signedIn = false
  await open('/events', 'form')
  await accessible(page, 'sign-in')
}, { ...quiet, context: { colorScheme: theme, viewport: { width: 1440, height: 900 } }, noise: /401|WebSocket/ }])

const pictures = sizes.flatMap(([width, height, touch]) => themes.map(theme => [`pictures at ${width}, ${theme}`, async ({ mock, page, open, shots }) => {
  await open()
  await noSideways(page, 'list')
  if (touch) assert.equal(await page.evaluate(() => document.documentElement.dataset.density), 'touch')
  await page.screenshot({ path: join(shots, `events-${width}-${theme}.png`) })
  await open('/events?ev=' + fault(mock).leaf.id, '.checks')
  await page.waitForSelector('.around [aria-current]')
  await noSideways(page, 'detail')
  await page.screenshot({ path: join(shots, `event-${width}-${theme}.png`) })
  await open('/events?ev=' + alarm(mock.world).leaf.id, '.curve canvas')
  await page.waitForSelector('.around [aria-current]')
  await noSideways(page, 'alarm')
  await page.screenshot({ path: join(shots, `alarm-${width}-${theme}.png`) })
}, { mock: { history: 3000 }, context: { viewport: { width, height }, hasTouch: touch, isMobile: touch, colorScheme: theme } }]))

export const tests = [
  ...access,
  ...pictures,
  ['touch targets are 44 high at least, in the list and beside an event', async ({ mock, page, open }) => {
    await open()
    const low = () => page.locator('button:visible, .row:visible, select:visible, .field:visible').evaluateAll(all =>
      all.filter(el => !el.closest('.cell-acts')).map(el => [el.getAttribute('aria-label') ?? el.className, el.getBoundingClientRect().height]).filter(([, h]) => h < 44))
    assert.deepEqual(await low(), [])
    mock.opens = ['person']
    await open('/events?ev=' + sealedEvent(mock.world).leaf.id, '.sealed-open')
    await page.waitForSelector('.checks')
    await page.waitForSelector('.around [aria-current]')
    assert.deepEqual(await low(), [])
  }, { ...quiet, context: { viewport: { width: 1024, height: 768 }, hasTouch: true, isMobile: true } }],

  ['digits stand in columns', async ({ mock, page, open }) => {
    await open('/events?ev=' + fault(mock).leaf.id, '.around [aria-current]')
    const digits = place => page.locator(place).first().evaluate(el => getComputedStyle(el).fontVariantNumeric)
    for (const place of ['.row-time', '.clock strong', '.around li button', '.head > .second']) assert.equal(await digits(place), 'tabular-nums', place)
    // Inter's tabular digits come with a wide hyphen: press - 12.
    for (const place of ['.cell-text', '.detail-title', '.fact dd', '.around-text', '.evidence']) assert.equal(await digits(place), 'normal', place)
  }, quiet],

  ['German is loaded when chosen and fits', async ({ page, open }) => {
    await open('/events', '.row')
    await page.getByRole('heading', { name: 'Ereignisse' }).waitFor()
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'de')
    await noSideways(page, 'German')
    assert.match(await page.locator('.head > .second').first().innerText(), /passen/)
  }, { ...quiet, context: { locale: 'de-DE', viewport: { width: 412, height: 915 }, hasTouch: true, isMobile: true } }],

  ['a browser that keeps nothing changes the theme all the same', async ({ page, open }) => {
    await page.addInitScript(() => { localStorage.__proto__.setItem = () => { throw new DOMException('full', 'QuotaExceededError') } })
    await open()
    await page.getByRole('button', { name: 'Dark theme' }).click()
    await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark')
    await page.waitForSelector('.row')
  }, quiet],

  ['theme and density are kept', async ({ page, open }) => {
    await open()
    await page.getByRole('button', { name: 'Dark theme' }).click()
    await page.getByRole('button', { name: 'Larger rows and buttons' }).click()
    await page.reload()
    await page.waitForSelector('.row')
    await until('kept', async () => await page.evaluate(() => document.documentElement.dataset.theme + document.documentElement.dataset.density) === 'darktouch')
    assert.equal(Math.round((await page.locator('.row').first().boundingBox()).height), 48)
  }, quiet],
]
