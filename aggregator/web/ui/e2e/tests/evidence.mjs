import { alarm } from '../mock/line.mjs'
import { assert, quiet, selected, until } from './help.mjs'

const fault = mock => [...mock.world.events].reverse().find(e => e.leaf.event_type === 'equipment.fault')
const checks = page => page.locator('.checks li').evaluateAll(all => all.map(li => li.dataset.ok))
const verdict = (page, text) => page.locator('.verdict', { hasText: text }).waitFor()
const proved = ['true', 'true', 'true', 'true']

export const tests = [
  ['a deep link opens the event with its four checks', async ({ mock, page, open }) => {
    await open('/events?ev=' + fault(mock).leaf.id, '.checks')
    await verdict(page, 'Agrees with itself, not anchored')
    assert.deepEqual(await checks(page), proved)
    await page.getByText(/Checked here in .* \(WebCrypto\), not by the server/).waitFor()
    await page.getByText('linewatch-verify --trust FILE').waitFor()
    assert.match(await page.locator('.detail h2').innerText(), /press-12: Spindle temperature/)
    await page.getByText('Paused.').waitFor()
  }, quiet],

  ['with a trust file it is unchanged since the station signed it', async ({ mock, page, open }) => {
    await open('/events?ev=' + fault(mock).leaf.id, '.checks')
    const load = text => page.locator('.trust input').setInputFiles({ name: 'plant.txt', mimeType: 'text/plain', buffer: Buffer.from(text) })
    await load('station nonsense')
    await page.getByText('This trust file can’t be used').waitFor()
    assert.equal(await page.locator('.trust input').evaluate(el => el.value), '', 'the same file, mended, can be chosen again')
    await load(mock.world.trustFile())
    await verdict(page, 'Unchanged since the station signed it')
    await page.reload()
    await verdict(page, 'Unchanged since the station signed it')
    await page.getByRole('button', { name: 'Forget trust file' }).click()
    await verdict(page, 'Agrees with itself, not anchored')
  }, quiet],

  ['an event that the server changed is refused', async ({ mock, page, open }) => {
    const id = fault(mock).leaf.id
    mock.tamper = id
    await open('/events?ev=' + id, '.checks')
    await verdict(page, 'Does not match its seal')
    assert.deepEqual(await checks(page), ['true', 'true', 'true', 'false'])
  }, quiet],

  ['without WebCrypto the same is checked in JavaScript', async ({ mock, page, open }) => {
    await page.addInitScript(() => Object.defineProperty(crypto, 'subtle', { value: undefined }))
    await open('/events?ev=' + fault(mock).leaf.id, '.checks')
    assert.deepEqual(await checks(page), proved)
    await page.getByText(/\(JavaScript\)/).waitFor()
  }, quiet],

  ['the proof and the signed text can be taken away', async ({ mock, page, open }) => {
    const event = fault(mock)
    await open('/events?ev=' + event.leaf.id, '.checks')
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download proof' }).click()])
    assert.equal(download.suggestedFilename(), event.leaf.id + '.tlog-proof')
    await page.getByRole('button', { name: 'Show the signed text' }).click()
    assert.deepEqual(JSON.parse(await page.locator('.signed').innerText()), event.leaf)
  }, quiet],

  ['what happened around it leads on', async ({ mock, page, open }) => {
    const event = fault(mock)
    await open('/events?ev=' + event.leaf.id, '.around [aria-current]')
    const same = mock.world.events.filter(e => e.leaf.station === event.leaf.station)
    const i = same.indexOf(event)
    assert.equal(await page.locator('.around li').count(), same.slice(Math.max(0, i - 25), i + 26).length)
    await page.locator('.around li button:not([aria-current])').first().click()
    await until('another event', () => selected(page) !== event.leaf.id)
    await page.waitForSelector('.checks')
  }, { mock: { history: 2000 } }],

  ['the curve around an event is drawn', async ({ mock, page, open }) => {
    await open('/events?ev=' + fault(mock).leaf.id, '.curve canvas')
  }, quiet],

  ['an alarm says why, and its curve has the part after it, its limits and what is usual', async ({ mock, page, open }) => {
    const event = alarm(mock.world)
    let found = 0
    page.on('response', async r => { if (r.url().includes('signal.curve') && r.ok()) found = (await r.json()).events.length })
    await open('/events?ev=' + event.leaf.id, '.curve canvas')
    assert.equal(await page.locator('.detail-said').innerText(), event.leaf.event_data.explanation)
    await page.getByText('Grey: usually 59.8 to 84.1. Dashed: HighHigh 95, High 90.').waitFor()
    await until('the curve after it is found', () => found === 1)
    assert.equal(await page.locator('.facts-data').getByText('explanation').count(), 0)
  }, quiet],

  ['fields of the detail filter the list', async ({ mock, page, open }) => {
    await open('/events?ev=' + fault(mock).leaf.id, '.facts-data')
    await page.locator('.fact', { hasText: 'F217' }).hover()
    await page.getByRole('button', { name: 'Only events with this: code' }).click()
    await until('the filter', () => new URL(page.url()).searchParams.get('q') === 'data.code:F217')
  }, quiet],

  ['an unknown event is explained', async ({ page, open }) => {
    await open('/events?ev=00000000-0000-7000-8000-000000000000', '.detail [role=alert]')
    await page.getByText('This event is not here').waitFor()
  }, { ...quiet, noise: /404/ }],

  ['an event whose fields are not what they should be is shown, with its proof', async ({ mock, page, open }) => {
    const event = mock.world.write({
      type: 'equipment.fault', severity: 'medium', station: undefined, equipment: { a: 1 }, user_id: [], metadata: { problems: 5 }, at: Date.now(),
      event_data: { code: 'X', text: 'odd', since: '0000-00-00T00:00:00Z', status: 'constructor' },
      curve: { start: '2026-11-22T08:00:00Z', step_ms: 2 ** 53, min: 'AAAAAAAAAAA=', max: 'AAAAAAAAAAA=' },
    })
    await open('/events?ev=' + event.leaf.id, '.checks')
    await page.locator('.row', { hasText: 'odd' }).waitFor()
    await page.locator('.facts-data').getByText('0000-00-00T00:00:00Z').waitFor()
    assert.deepEqual(await checks(page), proved)
  }, quiet],

  ['a leaf that is no event is shown as it came, with its proof', async ({ mock, page, open }) => {
    const log = mock.world.log('hamburg/body/line1/st01', 'manufacturing')
    log.leaves.push(Buffer.from('{"id":"x","id":"y"}'))
    const at = new Date().toISOString()
    const event = { raw: log.leaves.at(-1).toString('base64'), stored: { log: log.id, index: log.leaves.length - 1, at, received_at: at, problems: [{ field: 'id', reason: 'key twice' }] } }
    await open()
    await until('subscribed', () => mock.sockets.size > 0)
    for (const s of mock.sockets) s.send({ events: [event], cursor: '1' })
    await page.getByText('Message could not be read: key twice').waitFor()
  }, quiet],
]
