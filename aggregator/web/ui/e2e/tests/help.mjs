import { strict as assert } from 'node:assert'

export { assert }

export const filterOf = page => new URL(page.url()).searchParams.get('q') ?? ''
export const selected = page => new URL(page.url()).searchParams.get('ev')
export const firstRow = page => page.locator('.row').first()
export const filterInput = page => page.getByRole('textbox', { name: 'Filter events' })

/** Waits until fn is true; fn may be async. */
export async function until(what, fn, ms = 8000) {
  const end = Date.now() + ms
  for (;;) {
    if (await fn()) return
    if (Date.now() > end) throw new Error('did not happen in time: ' + what)
    await new Promise(done => setTimeout(done, 25))
  }
}

/** Number that the page says matches. */
export async function matching(page) {
  const text = await page.locator('.head > .second').first().innerText()
  return Number(text.replace(/\D/g, ''))
}

export const quiet = { mock: { rate: 0, history: 600 } }
