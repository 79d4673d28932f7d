import { assert, quiet } from './help.mjs'

/** An event with a field in each state. */
export function sealedEvent(world, at = Date.now()) {
  const set = 'person'
  return world.write({
    type: 'removable_media.connected', kind: 'security', severity: 'high', station: 'hamburg/body/line3/st07', at,
    event_data: { vendor: 'Kingston', host: 'ipc-0407' },
    states: {
      user_id: { state: 'sealed', set }, 'event_data.device': { state: 'sealed', set: 'device' },
      'event_data.serial': { state: 'erased', set, erased_at: '2026-11-20T09:30:00Z' }, 'event_data.badge': { state: 'lost', set },
    },
    secrets: { user_id: 'Anna Weber', 'event_data.device': 'Kingston 32 GB' },
  })
}

const states = page => page.locator('section', { has: page.getByRole('heading', { name: 'Sealed' }) }).locator('dd').allInnerTexts()

export const tests = [
  ['a sealed field says how it stands, and is opened for whoever may', async ({ mock, page, open }) => {
    mock.opens = ['person']
    await open('/events?ev=' + sealedEvent(mock.world).leaf.id, '.checks')
    assert.deepEqual((await states(page)).map(s => s.trim()), ['sealed', 'sealed', 'erased on 20 Nov 2026, 10:30:00.000', 'can’t be read: its key is lost'])
    await page.getByText('That you open it is recorded').waitFor()
    await page.getByRole('button', { name: 'Open', exact: true }).click()
    await page.getByText('Anna Weber').last().waitFor()
    assert.deepEqual(await page.locator('.checks li').evaluateAll(all => all.map(li => li.dataset.ok)), ['true', 'true', 'true', 'true'])
  }, quiet],

  ['nothing offers to open what the role may not', async ({ mock, page, open }) => {
    mock.opens = []
    await open('/events?ev=' + sealedEvent(mock.world).leaf.id, '.checks')
    assert.equal((await states(page)).length, 4)
    assert.equal(await page.getByRole('button', { name: 'Open', exact: true }).count(), 0)
  }, quiet],

  ['a proof that was dropped after its time is told so, without a retry', async ({ mock, page, open }) => {
    const event = sealedEvent(mock.world)
    mock.gone.set(event.leaf.id, { status: 410, title: 'Dropped', detail: 'leaf 7 of linewatch/a/security/b was dropped (security: 30 days). Its hash ff stays in the tree: whoever kept the leaf or a bundle can still prove it' })
    await open('/events?ev=' + event.leaf.id, '.evidence p')
    await page.getByText('Leaf 7 of linewatch/a/security/b was dropped').waitFor()
    assert.equal(await page.locator('.evidence').getByRole('button', { name: 'Try again' }).count(), 0)
  }, { ...quiet, noise: /410/ }],
]
