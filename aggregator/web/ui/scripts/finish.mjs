// After the build: compress each file (never in a plugin: Vite replaces text in
// the chunks after generateBundle), and hold the size of the first load to its
// budget.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const dist = fileURLToPath(new URL('../../dist/', import.meta.url))
const KB = 1000
const limits = { total: 260 * KB, js: 210 * KB }

function files(folder) {
  return readdirSync(join(dist, folder), { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)])
}

const packed = new Map()
for (const name of files('.')) {
  if (!/\.(js|css|html|svg|txt)$/.test(name)) { packed.set(name, statSync(join(dist, name)).size); continue }
  const gz = gzipSync(readFileSync(join(dist, name)), { level: 9 })
  packed.set(name, gz.length)
  if (name !== 'index.html' && name !== 'README.txt') writeFileSync(join(dist, name + '.gz'), gz)
}

// What /events loads: index.html, its scripts and sheets, and what these import
// at once (the lazy route of Events included), and the Latin part of the font.
const text = name => readFileSync(join(dist, name), 'utf8')
const first = new Set(['index.html'])
const html = text('index.html')
const visit = name => {
  if (first.has(name) || !packed.has(name)) return
  first.add(name)
  if (!name.endsWith('.js')) return
  for (const m of text(name).matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) visit('assets/' + m[1])
}
for (const m of html.matchAll(/(?:src|href)="\/([^"]+)"/g)) visit(m[1])
for (const name of packed.keys()) {
  if (/assets\/(EventsPage|inter-latin-wght-normal)-[^/]+\.(js|css|woff2)$/.test(name)) visit(name)
}

const sum = pick => [...first].filter(pick).reduce((n, name) => n + packed.get(name), 0)
const total = sum(() => true), js = sum(name => name.endsWith('.js'))
const kb = n => (n / KB).toFixed(1).padStart(6) + ' kB'
for (const name of [...first].sort()) console.log(kb(packed.get(name)), name)
console.log(kb(js), `JavaScript of the first load (limit ${kb(limits.js).trim()})`)
console.log(kb(total), `first load of /events, compressed (limit ${kb(limits.total).trim()})`)
if (total > limits.total || js > limits.js) {
  console.error('The first load is larger than its budget.')
  process.exit(1)
}
