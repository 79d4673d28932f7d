import { assert, firstRow, matching, quiet, selected, until } from './help.mjs'

const write = (mock, text, at = Date.now()) => mock.write({ type: 'equipment.fault', station: 'hamburg/body/line9/st01', equipment: 'oven', event_data: { code: 'X', text }, at })

/** Frames of 5 s while the list runs: durations in ms. */
const frames = page => page.evaluate(() => new Promise(done => {
  const out = []
  let last = performance.now()
  const step = now => {
    out.push(now - last)
    last = now
    if (out.reduce((a, b) => a + b, 0) > 5000) done(out)
    else requestAnimationFrame(step)
  }
  requestAnimationFrame(step)
}))

export const tests = [
  ['a new event is on the screen at once, newest first', async ({ mock, page, open }) => {
    await open()
    await until('the link is live', () => mock.sockets.size > 0 && page.getByText('Live', { exact: true }).isVisible())
    const started = Date.now()
    write(mock, 'first')
    await page.getByText('oven: first').waitFor()
    assert.ok(Date.now() - started < 2000)
    write(mock, 'second')
    await until('the second is on top', async () => (await firstRow(page).innerText()).includes('oven: second'))
  }, quiet],

  ['Space pauses: nothing moves, the bar counts, Resume shows all', async ({ mock, page, open }) => {
    await open()
    await until('subscribed', () => mock.sockets.size > 0)
    await page.keyboard.press('Space')
    await page.getByText('nothing newer').waitFor()
    const before = await page.locator('.row').allInnerTexts()
    mock.push(36)
    write(mock, 'while paused')
    await page.getByText('37 newer').waitFor()
    assert.deepEqual(await page.locator('.row').allInnerTexts(), before)
    await page.locator('.paused-bar button').click()
    await until('the list is live again', async () => await page.locator('.paused-bar').count() === 0)
    await page.getByText('oven: while paused').waitFor({ state: 'attached' })
  }, quiet],

  ['scrolling pauses and says so', async ({ mock, page, open }) => {
    await open()
    await page.locator('.list-body').evaluate(el => { el.scrollTop = 500 })
    await page.getByText('Paused.').waitFor()
    const top = await page.locator('.list-body').evaluate(el => el.scrollTop)
    mock.push(5)
    await page.getByText('5 newer').waitFor()
    assert.equal(await page.locator('.list-body').evaluate(el => el.scrollTop), top)
    await page.getByRole('button', { name: 'Resume' }).first().click()
    await until('back at the top', () => page.locator('.list-body').evaluate(el => el.scrollTop === 0))
  }, quiet],

  ['scrolling goes back to the first event ever', async ({ mock, page, open }) => {
    await open()
    const oldest = mock.world.events[0]
    await until('the end', async () => {
      await page.locator('.list-body').evaluate(el => { el.scrollTop = el.scrollHeight })
      return page.getByText('These are all events of this filter').isVisible()
    }, 60_000)
    assert.equal(await page.getByRole('grid').getAttribute('aria-rowcount'), String(mock.world.events.length + 1))
    // The last page may have grown the list behind the place that was scrolled to.
    await until('the oldest event is the last row', async () => {
      await page.locator('.list-body').evaluate(el => { el.scrollTop = el.scrollHeight })
      return await page.locator('.row').last().locator('.row-time').getAttribute('title') === oldest.leaf.timestamp
    })
  }, { mock: { history: 1500 } }],

  ['a late event is put at its place in time', async ({ mock, page, open }) => {
    await open()
    await until('subscribed', () => mock.sockets.size > 0)
    const third = mock.world.events.at(-3)
    write(mock, 'late', Date.parse(third.stored.at) + 1)
    await until('it is in the list', async () => (await page.locator('.row').allInnerTexts()).findIndex(t => t.includes('oven: late')) === 2)
  }, quiet],

  ['keys walk, open and close; they can be switched off', async ({ page, open }) => {
    await open()
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('k')
    assert.equal(await page.locator('.row[aria-selected="true"]').getAttribute('aria-rowindex'), '2')
    await page.keyboard.press('Enter')
    await page.locator('.detail h2').waitFor()
    const first = selected(page)
    await page.keyboard.press('j')
    await until('the detail follows', () => selected(page) !== first)
    await page.keyboard.press('Escape')
    await until('closed', () => selected(page) === null)
    await page.getByRole('button', { name: 'You and your settings' }).click()
    await page.getByRole('menuitemcheckbox', { name: 'One-key shortcuts' }).click()
    await page.keyboard.press('Escape')
    await page.locator('h1').click()
    const chosen = await page.locator('.row[aria-selected="true"]').getAttribute('aria-rowindex')
    await page.keyboard.press('j')
    assert.equal(await page.locator('.row[aria-selected="true"]').getAttribute('aria-rowindex'), chosen)
  }, quiet],

  ['times are in plant time with the offset; a person may choose UTC', async ({ mock, page, open }) => {
    await open()
    const newest = mock.world.events.at(-1).stored.at
    const plant = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(Date.parse(newest))
    assert.ok((await firstRow(page).innerText()).includes(plant))
    assert.match(await page.locator('.clock').innerText(), /Plant time \(UTC\+[12]\)/)
    await page.getByRole('button', { name: 'You and your settings' }).click()
    await page.getByRole('menuitemradio', { name: 'UTC' }).click()
    await until('UTC', async () => (await firstRow(page).innerText()).includes(newest.slice(11, 23)))
  }, quiet],

  ['1,000 events a second: none is lost', async ({ mock, page, open }) => {
    await open()
    await until('subscribed', () => mock.sockets.size > 0)
    mock.rate = 1000
    const times = (await frames(page)).sort((a, b) => a - b)
    mock.rate = 0
    console.log(`      frames: p50 ${times[times.length >> 1].toFixed(1)} ms, p95 ${times[Math.floor(times.length * 0.95)].toFixed(1)} ms, worst ${times.at(-1).toFixed(0)} ms`)
    await until('all are counted', async () => await matching(page) === mock.world.events.length)
    await until('all are in the list', async () => await page.getByRole('grid').getAttribute('aria-rowcount') >= String(Math.min(mock.world.events.length - 400, 20_000)))
  }, quiet],
]
