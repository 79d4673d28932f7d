import { assert, matching, quiet, until } from './help.mjs'

const noise = /WebSocket/

export const tests = [
  ['a lost link is said, the data greyed, and nothing is missing afterwards', async ({ mock, page, open }) => {
    await open()
    await until('subscribed', () => mock.sockets.size > 0)
    mock.push(3)
    await until('they came', async () => await matching(page) === mock.world.events.length)
    mock.refuse = true
    mock.drop()
    await page.getByText(/This is as of \d\d:\d\d/).waitFor()
    assert.equal(await page.locator('.list').getAttribute('data-stale'), 'true')
    mock.push(7)
    mock.refuse = false
    await until('live again', async () => await page.locator('.list').getAttribute('data-stale') === 'false', 12_000)
    await until('all are there', async () => await matching(page) === mock.world.events.length)
    assert.equal(await page.getByText('Connection lost').count(), 0)
  }, { ...quiet, noise }],

  ['a link that never had a cursor loads anew when it comes back', async ({ mock, page, open }) => {
    await open()
    await until('subscribed', () => mock.sockets.size > 0)
    mock.refuse = true
    mock.drop()
    await page.getByText(/This is as of/).waitFor()
    mock.push(7)
    mock.refuse = false
    await until('all are there', async () => await matching(page) === mock.world.events.length, 12_000)
  }, { ...quiet, noise }],

  ['Try again does not wait', async ({ mock, page, open }) => {
    await open()
    mock.refuse = true
    mock.drop()
    await page.getByText('Connection lost. Trying again').waitFor()
    mock.refuse = false
    await page.locator('.link-state').getByRole('button', { name: 'Try again' }).click({ timeout: 2000 }).catch(() => undefined) // it may be back by itself
    await page.getByText('Live', { exact: true }).waitFor()
  }, { ...quiet, noise }],

  ['a gap is filled from the store', async ({ mock, page, open }) => {
    await open()
    await until('subscribed', () => mock.sockets.size > 0)
    mock.refuse = true // the mock's own delivery is cut off here
    for (const s of mock.sockets) s.offer = () => undefined
    const made = mock.push(9)
    mock.gap()
    await until('all are there', async () => await matching(page) === mock.world.events.length)
    assert.ok(made.length === 9)
  }, quiet],

  ['a gap while paused waits for Resume', async ({ mock, page, open }) => {
    await open()
    await until('subscribed', () => mock.sockets.size > 0)
    await page.keyboard.press('Space')
    const before = await page.locator('.row').allInnerTexts()
    for (const s of mock.sockets) s.offer = () => undefined
    mock.push(4)
    mock.gap()
    await page.getByText(/more than/).waitFor()
    assert.deepEqual(await page.locator('.row').allInnerTexts(), before)
    await page.keyboard.press('Space')
    await until('all are there', async () => await matching(page) === mock.world.events.length)
  }, quiet],
]
