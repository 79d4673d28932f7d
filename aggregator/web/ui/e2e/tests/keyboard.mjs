import { assert, quiet, selected, until } from './help.mjs'

const active = page => page.evaluate(() => document.activeElement?.getAttribute('role') ?? document.activeElement?.tagName)

export const tests = [
  ['with shortcuts switched off the list works with arrow keys and Enter', async ({ page, open }) => {
    await page.addInitScript(() => localStorage.setItem('linewatch.settings', JSON.stringify({ keys: false })))
    await open()
    await page.getByRole('grid').focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    const chosen = page.locator('.row[aria-selected="true"]')
    assert.equal(await chosen.getAttribute('aria-rowindex'), '3')
    assert.equal(await page.getByRole('grid').getAttribute('aria-activedescendant'), await chosen.getAttribute('id'))
    await page.keyboard.press('Enter')
    await page.locator('.detail h2').waitFor()
    const first = selected(page)
    await page.keyboard.press('ArrowUp')
    await until('the detail follows', () => selected(page) !== first)
  }, quiet],

  ['closing an event gives the focus back to the list', async ({ page, open }) => {
    await open()
    await page.locator('.row').nth(2).click()
    await page.locator('.detail h2').waitFor()
    await page.locator('.detail').getByRole('button', { name: 'Close' }).click()
    await until('the list has it', async () => await active(page) === 'grid')
  }, quiet],

  ['a neighbour that is opened takes the focus along', async ({ page, open }) => {
    await open()
    await page.locator('.row').nth(2).click()
    await page.waitForSelector('.around [aria-current]')
    const before = selected(page)
    await page.locator('.around li button:not([aria-current])').first().click()
    await until('another event', () => selected(page) !== before)
    await until('the detail has it', async () => await active(page) === 'ASIDE')
  }, { mock: { history: 2000 } }],

  ['on a narrow screen the event takes the focus, and gives it back', async ({ page, open }) => {
    await open()
    await page.locator('.row').nth(2).click()
    await until('the event has it', async () => await active(page) === 'ASIDE')
    await page.getByRole('button', { name: 'Back to the list' }).click()
    await until('the list has it', async () => await active(page) === 'grid')
  }, { ...quiet, context: { viewport: { width: 820, height: 1180 }, hasTouch: true, isMobile: true } }],
]
