// `npm run e2e`: the built pages in the system's Chromium against the mock plant.
// Needs `npm run build` before. Exit code 1 when a test fails. A name as argument
// runs the tests whose name contains it; SHOTS names a folder for screenshots.
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { startMock } from './mock/server.mjs'
import { tests as access } from './tests/access.mjs'
import { tests as evidence } from './tests/evidence.mjs'
import { tests as filter } from './tests/filter.mjs'
import { tests as german } from './tests/german.mjs'
import { tests as keyboard } from './tests/keyboard.mjs'
import { tests as keychange } from './tests/keychange.mjs'
import { tests as link } from './tests/link.mjs'
import { tests as list } from './tests/list.mjs'
import { tests as looks } from './tests/looks.mjs'
import { tests as sealed } from './tests/sealed.mjs'

const browserPath = process.env.CHROMIUM ?? '/usr/bin/chromium'
if (!existsSync(browserPath)) throw new Error(`${browserPath} is missing: apt-get install chromium, or name it in CHROMIUM`)
if (!existsSync(fileURLToPath(new URL('../../dist/index.html', import.meta.url)))) throw new Error('the pages are not built: npm run build')

const shots = process.env.SHOTS ?? mkdtempSync(join(tmpdir(), 'linewatch-shots-'))
const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })

/** What a test gets: a page on a fresh mock plant; open() goes to a path. */
async function surroundings(options = {}) {
  const mock = await startMock(options.mock)
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', ...options.context })
  const page = await context.newPage()
  const noise = []
  page.on('pageerror', error => noise.push(String(error.stack)))
  page.on('console', message => { if (message.type() === 'error') noise.push(message.text()) })
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: mock.url })
  const open = async (path = '/events', wait = '.row') => {
    await page.goto(mock.url + path)
    if (wait) await page.waitForSelector(wait)
  }
  const end = async () => { await context.close(); await mock.close() }
  return { mock, context, page, open, noise, shots, browser, end }
}

const wanted = process.argv[2] ?? ''
let failed = 0, done = 0
for (const [name, test, options] of [...access, ...list, ...filter, ...evidence, ...keychange, ...sealed, ...german, ...keyboard, ...link, ...looks]) {
  if (!name.includes(wanted)) continue
  const s = await surroundings(options)
  const started = Date.now()
  try {
    await test(s)
    // A refused script or style shows up here as an error of the console.
    const unexpected = s.noise.filter(text => !(options?.noise ?? /^$/).test(text))
    if (unexpected.length > 0) throw new Error('unexpected in the console: ' + unexpected.join(' | '))
    done++
    console.log(`ok    ${name} (${Date.now() - started} ms)`)
  } catch (error) {
    failed++
    await s.page.screenshot({ path: join(shots, `failed-${failed}.png`) }).catch(() => undefined)
    console.log(`FAIL  ${name}\n${error.stack}\n      console: ${s.noise.join(' | ')}`)
  }
  await s.end()
}
await browser.close()
console.log(`${done} passed, ${failed} failed; pictures in ${shots}`)
process.exit(failed > 0 || done === 0 ? 1 : 0)
