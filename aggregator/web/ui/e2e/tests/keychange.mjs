import { assert, quiet } from './help.mjs'

const station = 'hamburg/body/line1/st01'
const verdict = (page, text) => page.locator('.verdict', { hasText: text }).waitFor()

/** An event that the station wrote after it changed its key. */
function after(mock, forged = false) {
  const log = mock.world.log(station, 'manufacturing')
  mock.world.turn(log, forged)
  const event = mock.world.write({ type: 'equipment.status', station, at: Date.now(), equipment: 'press', event_data: { equipmentId: 'press', status: 'running' } })
  assert.equal(event.stored.index, log.turn.size)
  return event
}

const load = (page, text) => page.locator('.trust input').setInputFiles({ name: 'plant.txt', mimeType: 'text/plain', buffer: Buffer.from(text) })

export const tests = [
  ['a station that changed its key is still the one of the trust file', async ({ mock, page, open }) => {
    await open('/events?ev=' + after(mock).leaf.id, '.checks')
    await verdict(page, 'Agrees with itself, not anchored')
    await load(page, mock.world.trustFile())
    await verdict(page, 'Unchanged since the station signed it')
    assert.equal(await page.getByText('with a key that your trust file does not name').count(), 0)
  }, quiet],

  ['a key that named itself the next one is refused', async ({ mock, page, open }) => {
    await open('/events?ev=' + after(mock, true).leaf.id, '.checks')
    await load(page, mock.world.trustFile())
    await verdict(page, 'Does not match its seal')
    await page.getByText('what bears out a key is not signed by the key of its place in the log').waitFor()
  }, quiet],

  ['a cosigner whose time has ended anchors nothing any more', async ({ mock, page, open }) => {
    const event = mock.world.write({ type: 'equipment.status', station, at: Date.now(), equipment: 'press', event_data: { equipmentId: 'press', status: 'running' } })
    const { name, key } = mock.world.logInfo(event.stored.log).cosigners[0]
    await open('/events?ev=' + event.leaf.id, '.checks')
    await load(page, `cosigner ${name} ${key} until 2099-01-01T00:00:00Z\n`)
    await verdict(page, `Unchanged since ${name} confirmed it`)
    await page.getByRole('button', { name: 'Forget trust file' }).click()
    await load(page, `cosigner ${name} ${key} until 2020-01-01T00:00:00Z\n`)
    await page.getByRole('button', { name: 'Forget trust file' }).waitFor()
    await verdict(page, 'Agrees with itself, not anchored')
  }, quiet],
]
