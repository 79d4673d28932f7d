import { assert, until } from './help.mjs'

export const tests = [
  ['signing in leads back to the link that was opened', async ({ mock, page, open }) => {
    mock.signedIn = false
    await open('/events?q=type:quality.*', 'form')
    await page.getByLabel('Name').fill('anna')
    await page.getByLabel('Password').fill('wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Name or password is wrong').waitFor()
    await page.getByLabel('Password').fill('right horse')
    await page.keyboard.press('Enter')
    await page.waitForSelector('.row')
    assert.equal(new URL(page.url()).searchParams.get('q'), 'type:quality.*')
  }, { noise: /401/ }],

  ['a sign-in link to another site stays here', async ({ mock, page, open }) => {
    mock.signedIn = false
    await open('/signin?next=//evil.example/', 'form')
    await page.getByLabel('Name').fill('anna')
    await page.getByLabel('Password').fill('right horse')
    await page.keyboard.press('Enter')
    await page.waitForSelector('.row')
    assert.equal(new URL(page.url()).origin, mock.url)
  }, { noise: /401/ }],

  ['a session that ended leads to the sign-in page', async ({ mock, page, open }) => {
    await open()
    mock.signedIn = false
    mock.drop()
    await page.waitForSelector('form')
    assert.match(page.url(), /signin\?next=\/events/)
  }, { noise: /401|WebSocket/ }],

  ['signing out ends the session', async ({ mock, page, open }) => {
    await open()
    await page.getByRole('button', { name: 'You and your settings' }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.waitForSelector('form')
    await until('signed out', () => !mock.signedIn)
  }, { noise: /401|WebSocket/ }],

  ['a role without events is told why and no list is asked for', async ({ mock, page, open }) => {
    mock.permissions = ['stations.read']
    await open('/events', '.empty')
    await page.getByText('Your role may not read events').waitFor()
    assert.equal(await page.locator('.row').count(), 0)
  }],

  ['a role without the right to export sees no Export', async ({ mock, page, open }) => {
    mock.permissions = ['events.read']
    await open()
    assert.equal(await page.getByRole('button', { name: 'Export' }).count(), 0)
  }],

  ['the navigation has no dead links', async ({ page, open }) => {
    await open()
    const links = await page.locator('nav a').evaluateAll(all => all.map(a => a.getAttribute('href')))
    assert.deepEqual(links, ['/events'])
    await open('/nowhere')
    assert.equal(new URL(page.url()).pathname, '/events')
  }],
]
