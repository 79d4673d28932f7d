import { readFileSync } from 'node:fs'
import { assert, filterInput, filterOf, firstRow, matching, quiet, until } from './help.mjs'

export const tests = [
  ['the filter is in the address and Back undoes it', async ({ mock, page, open }) => {
    await open()
    await filterInput(page).fill('type:quality.check')
    await page.keyboard.press('Enter')
    await until('in the address', () => filterOf(page) === 'type:quality.check')
    const want = mock.world.events.filter(e => e.leaf.event_type === 'quality.check').length
    await until('counted', async () => await matching(page) === want)
    await page.getByRole('button', { name: 'High and critical' }).click()
    await until('both terms', () => filterOf(page) === 'type:quality.check severity>=high')
    await page.goBack()
    await until('back', () => filterOf(page) === 'type:quality.check')
    assert.equal(await filterInput(page).inputValue(), 'type:quality.check')
  }, quiet],

  ['who stops after a space goes on behind it when the filter was taken over', async ({ page, open }) => {
    await open()
    await filterInput(page).pressSequentially('press ')
    await until('taken over', () => filterOf(page) === 'press')
    await filterInput(page).pressSequentially('12')
    await until('the whole', () => filterOf(page) === 'press 12')
    assert.equal(await filterInput(page).inputValue(), 'press 12')
  }, quiet],

  ['a mistake is marked at its place and repaired with one press', async ({ page, open }) => {
    await open()
    await filterInput(page).fill('type:quality.* sevrity>=high')
    await page.getByText('No field is called sevrity').waitFor()
    assert.equal(await page.locator('.filter-under mark').innerText(), 'sevrity')
    await page.getByRole('button', { name: 'Use severity' }).click()
    await until('repaired and applied', () => filterOf(page) === 'type:quality.* severity>=high')
  }, quiet],

  ['plus and minus on a cell filter for it and without it', async ({ page, open }) => {
    await open()
    const station = await firstRow(page).locator('.cell').first().getAttribute('title')
    await firstRow(page).locator('.cell').first().hover()
    await firstRow(page).getByRole('button', { name: `Only ${station}` }).click()
    await until('only', () => filterOf(page) === `station:${station}`)
    await page.waitForFunction(s => [...document.querySelectorAll('.row .cell:first-of-type')].every(c => !c.title || c.title === s), station)
    await firstRow(page).locator('.cell').first().hover()
    await firstRow(page).getByRole('button', { name: `Without ${station}` }).click()
    await until('without', () => filterOf(page) === `-station:${station}`)
  }, quiet],

  ['only matching events come live', async ({ mock, page, open }) => {
    await open('/events?q=equipment:oven', '.empty')
    await page.getByText('No event matches this filter').waitFor()
    mock.write({ type: 'equipment.status', station: 'hamburg/body/line9/st01', equipment: 'mixer', event_data: { status: 'idle' } })
    mock.write({ type: 'equipment.status', station: 'hamburg/body/line9/st01', equipment: 'oven', event_data: { status: 'idle' } })
    await page.getByText('oven: idle').waitFor()
    assert.equal(await page.locator('.row').count(), 1)
  }, quiet],

  ['dragging over the histogram looks at a time range', async ({ page, open }) => {
    await open()
    const box = await page.locator('.chart-box').boundingBox()
    await page.mouse.move(box.x + box.width * 0.25, box.y + 20)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.5, box.y + 20, { steps: 4 })
    await page.mouse.up()
    await until('a range', () => /^since:\d{4}-\S+Z until:\d{4}-\S+Z$/.test(filterOf(page)))
    await page.getByText('Fixed time range').waitFor()
    await page.getByRole('button', { name: 'Back to live' }).click()
    await until('live', () => filterOf(page) === '')
  }, quiet],

  ['a time range can be chosen without dragging', async ({ page, open }) => {
    await open('/events?q=severity>=low')
    await page.getByRole('combobox', { name: 'Time range' }).selectOption('15m')
    await until('since', () => filterOf(page) === 'severity>=low since:15m')
  }, quiet],

  ['a copied link shows the same tomorrow', async ({ page, open }) => {
    await open('/events?q=severity>=low since:2h')
    await firstRow(page).click()
    await page.locator('.detail h2').waitFor()
    await page.getByRole('button', { name: 'Copy link' }).click()
    await page.getByText('Link copied').waitFor()
    const url = new URL(await page.evaluate(() => navigator.clipboard.readText()))
    assert.match(url.searchParams.get('q'), /^severity>=low since:\d{4}-\d\d-\d\dT\S+Z until:\d{4}-\d\d-\d\dT\S+Z$/)
    assert.ok(url.searchParams.get('ev'))
    const title = await page.locator('.detail h2').innerText()
    await page.goto(url.href)
    await page.locator('.detail h2').waitFor()
    assert.equal(await page.locator('.detail h2').innerText(), title)
    await page.getByText('Fixed time range').waitFor()
  }, quiet],

  ['export writes every event of the filter', async ({ mock, page, open }) => {
    await open('/events?q=type:quality.check')
    for (const [item, lines] of [['As JSON lines', 0], ['As table (CSV)', 1]]) {
      await page.getByRole('button', { name: 'Export' }).click()
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: item }).click()])
      const text = readFileSync(await download.path(), 'utf8').trimEnd()
      const want = mock.world.events.filter(e => e.leaf.event_type === 'quality.check').length
      assert.equal(text.split('\n').length, want + lines)
    }
    await page.getByText(/events exported/).waitFor()
  }, { mock: { history: 3000 } }],

  ['the search in the top bar finds words and stations', async ({ page, open }) => {
    await open()
    await page.keyboard.press('/')
    await page.keyboard.type('line4/st0')
    await page.getByRole('option').first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await until('the station', () => /^station:hamburg\/body\/line4\/st0\d$/.test(filterOf(page)))
    await page.keyboard.press('/')
    await page.keyboard.type('torque')
    await page.keyboard.press('Enter')
    await until('the word', () => filterOf(page) === 'torque')
  }, quiet],

  ['a failed search says why and can be tried again', async ({ mock, page, open }) => {
    mock.fail = route => route === 'GET /events'
    await open('/events', '[role=alert]')
    await page.getByText('the database is away').first().waitFor()
    mock.fail = undefined
    await page.getByRole('button', { name: 'Try again' }).first().click()
    await page.waitForSelector('.row')
  }, { ...quiet, noise: /503/ }],
]
