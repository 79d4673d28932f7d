import { readFileSync } from 'node:fs'
import { alarm } from '../mock/line.mjs'
import { assert, quiet, until } from './help.mjs'

const german = { ...quiet, context: { locale: 'de-DE' } }
const fault = mock => [...mock.world.events].reverse().find(e => e.leaf.event_type === 'equipment.fault')

export const tests = [
  ['in German: why an event is not proved, and what is wrong with a trust file', async ({ mock, page, open }) => {
    mock.tamper = fault(mock).leaf.id
    await open('/events?ev=' + mock.tamper, '.checks')
    await page.locator('.verdict', { hasText: 'Passt nicht zu seinem Siegel' }).waitFor()
    await page.getByText('Nicht bewiesen: was hier gezeigt wird, ist nicht, was signiert wurde').waitFor()
    await page.locator('.trust input').setInputFiles({ name: 'werk.txt', mimeType: 'text/plain', buffer: Buffer.from('\nstation unsinn\n') })
    await page.getByText('Diese Vertrauensdatei ist nicht brauchbar: Zeile 2: dort sollte stehen').waitFor()
  }, german],

  ['in German: an alarm is explained from its fields, with the words of the station beside them', async ({ mock, page, open }) => {
    const event = alarm(mock.world)
    await open('/events?ev=' + event.leaf.id, '.detail-said')
    await page.locator('.detail h2', { hasText: 'press.temperature über seiner Grenze' }).waitFor()
    assert.match(await page.locator('.detail-said').innerText(), /^press\.temperature ist 91,4\s°C, die Grenze 90\s°C/)
    await page.locator('.facts-data').getByText(event.leaf.event_data.explanation).waitFor()
  }, german],

  ['in German: a mistake in the filter', async ({ page, open }) => {
    await open()
    await page.getByRole('textbox', { name: 'Ereignisse filtern' }).fill('sevrity>=high')
    await page.getByText('Kein Feld heißt sevrity').waitFor()
    await page.getByRole('button', { name: 'severity einsetzen' }).click()
    await until('repaired', () => new URL(page.url()).searchParams.get('q') === 'severity>=high')
  }, german],

  ['in German: a table that Excel opens with umlauts and columns', async ({ mock, page, open }) => {
    mock.write({ type: 'equipment.status', station: 'hamburg/body/line9/st01', equipment: 'Öfen; Süd', event_data: { status: 'läuft' } })
    await open('/events?q=station:line9/st01')
    await page.getByRole('button', { name: 'Exportieren' }).click()
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'Als Tabelle (CSV)' }).click()])
    const bytes = readFileSync(await file.path())
    assert.deepEqual([...bytes.subarray(0, 3)], [0xef, 0xbb, 0xbf])
    assert.match(bytes.toString('utf8'), /;hamburg\/body\/line9\/st01;equipment\.status;manufacturing;"Öfen; Süd";/)
  }, german],
]
