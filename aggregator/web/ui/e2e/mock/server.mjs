// Serves the build and the API shapes for tests; the filter is the pages' own parser.
import { readFileSync } from 'node:fs'
import { createServer as http } from 'node:http'
import { fileURLToPath } from 'node:url'
import { extname, join, normalize } from 'node:path'
import { createServer as vite } from 'vite'
import { WebSocketServer } from 'ws'
import { happen } from './line.mjs'
import { World } from './world.mjs'

const ui = fileURLToPath(new URL('../..', import.meta.url))
const dist = join(ui, '../dist')
const policy = /const policy = ((?:"[^"]*"[\s+]*)+)/.exec(readFileSync(join(ui, '../embed.go'), 'utf8'))[1].replace(/"\s*\+\s*"/g, '').trim().slice(1, -1)
const mime = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' }
const ranks = ['debug', 'info', 'low', 'medium', 'high', 'critical']
const out = ({ leaf, stored }) => ({ leaf, stored })

let parsing
const parser = () => parsing ??= loadParser()

async function loadParser() {
  const server = await vite({ root: ui, configFile: false, server: { middlewareMode: true, hmr: false, ws: false }, appType: 'custom', logLevel: 'error', optimizeDeps: { noDiscovery: true } })
  const { parse, format } = await server.ssrLoadModule('/src/live/query.ts')
  await server.close()
  return { parse, format }
}

const segments = (pattern, text, sep) => {
  const escape = s => s.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', `[^${sep}]*`)
  const body = pattern.split(sep).map(p => p === '**' ? '.*' : escape(p)).join(sep === '.' ? '\\.' : '/')
  return new RegExp(`(^|${sep === '/' ? '/' : '^'})${body}$`).test(text)
}

function matches(q, e) {
  const { leaf, stored } = e
  return q.terms.every(t => {
    const any = fit => t.values.some(fit)
    const yes = {
      station: () => any(v => segments(v, leaf.station, '/')), type: () => any(v => segments(v, leaf.event_type, '.')),
      severity: () => any(v => compare(ranks.indexOf(leaf.severity), t.op, ranks.indexOf(v))), class: () => any(v => leaf.class === v),
      user: () => any(v => leaf.user_id === v), equipment: () => any(v => leaf.equipment === v), id: () => any(v => leaf.id === v), correlation: () => any(v => leaf.correlation_id === v),
      data: () => any(v => String(t.path.reduce((o, k) => o?.[k], leaf.event_data)) === v), since: () => stored.at >= t.values[0], until: () => stored.at < t.values[0],
      word: () => JSON.stringify(leaf).toLowerCase().includes(t.values[0].toLowerCase()),
    }[t.field]?.() ?? false
    return yes !== t.not
  })
}
const compare = (a, op, b) => op === '>=' ? a >= b : op === '<=' ? a <= b : op === '>' ? a > b : op === '<' ? a < b : a === b

/** Starts the mock; the result has its address and the switches that tests use. */
export async function startMock({ port = 0, history = 3000, rate = 0, host = '127.0.0.1' } = {}) {
  const { parse, format } = await parser()
  const world = new World()
  const start = Date.now()
  for (let i = 0; i < history; i++) happen(world, start - 3_500_000 + Math.floor((i / history) * 3_495_000))
  const mock = { world, rate, signedIn: true, permissions: ['events.read', 'stations.read', 'export'], opens: ['personal'], gone: new Map(), tamper: undefined, fail: undefined, sockets: new Set(), refuse: false, policy }
  const sorted = q => world.events.filter(e => matches(q, e)).sort((a, b) => b.stored.at < a.stored.at ? -1 : b.stored.at > a.stored.at ? 1 : b.seq - a.seq)
  const server = http((req, res) => answer(mock, req, res, { parse, format, sorted }).catch(error => { res.statusCode = 500; res.end(String(error.stack)) }))
  const wss = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req, socket, head) => {
    if (mock.refuse || !mock.signedIn) { socket.destroy(); return }
    wss.handleUpgrade(req, socket, head, ws => listen(mock, ws, parse))
  })
  mock.push = (n = 1, at = Date.now()) => {
    const made = Array.from({ length: n }, () => happen(world, at))
    for (const s of mock.sockets) s.offer(made)
    return made
  }
  mock.write = event => {
    const made = world.write({ at: Date.now(), ...event })
    for (const s of mock.sockets) s.offer([made])
    return made
  }
  mock.gap = () => { for (const s of mock.sockets) s.send({ gap: { reason: 'slow' }, cursor: String(world.events.length) }) }
  mock.drop = () => { for (const s of mock.sockets) s.ws.terminate() }
  let due = 0
  const flow = setInterval(() => { due += mock.rate / 20; const n = Math.floor(due); due -= n; if (n) mock.push(n) }, 50)
  const pulse = setInterval(() => { for (const s of mock.sockets) s.send({ status: { now: new Date().toISOString(), rate: mock.rate || 12.3 } }) }, 1000)
  await new Promise(done => server.listen(port, host, done))
  mock.url = `http://${host === '127.0.0.1' ? 'localhost' : host}:${server.address().port}`
  mock.close = () => { clearInterval(flow); clearInterval(pulse); mock.drop(); server.closeAllConnections(); return new Promise(done => server.close(done)) }
  return mock
}

function listen(mock, ws, parse) {
  let query
  const s = { ws, send: m => ws.readyState === 1 && ws.send(JSON.stringify(m)) }
  s.offer = events => {
    if (!query) return
    const fit = events.filter(e => matches(query, e))
    if (fit.length) s.send({ events: fit.map(out), cursor: String(mock.world.events.length) })
  }
  ws.on('message', data => {
    const { subscribe } = JSON.parse(data)
    try {
      query = parse(subscribe.q, Date.now())
    } catch (e) {
      s.send({ error: { title: 'filter', status: 400, detail: e.message, pos: e.pos, len: e.len } })
      return
    }
    const missed = subscribe.cursor ? mock.world.events.slice(Number(subscribe.cursor)).filter(e => matches(query, e)) : []
    if (!subscribe.cursor) s.send({ cursor: String(mock.world.events.length) })
    if (missed.length) s.send({ events: missed.map(out), cursor: String(mock.world.events.length) })
  })
  ws.on('close', () => mock.sockets.delete(s))
  mock.sockets.add(s)
  s.send({ status: { now: new Date().toISOString(), rate: mock.rate || 12.3 } })
}

async function answer(mock, req, res, tools) {
  const url = new URL(req.url, 'http://mock')
  res.setHeader('Content-Security-Policy', mock.policy)
  if (!url.pathname.startsWith('/api/')) return file(url.pathname, res)
  const json = (value, status = 200) => { res.statusCode = status; res.setHeader('Content-Type', 'application/json'); res.end(JSON.stringify(value)) }
  const route = `${req.method} ${url.pathname.slice('/api/v1'.length)}`
  if (mock.fail?.(route)) return json({ title: 'Unavailable', status: 503, detail: 'the database is away' }, 503)
  if (route === 'POST /session') return session(mock, req, json)
  if (!mock.signedIn) return json({ title: 'Unauthorized', status: 401 }, 401)
  if (route === 'DELETE /session') { mock.signedIn = false; res.statusCode = 204; return res.end() }
  if (route === 'GET /me') return json({ name: 'anna', display: 'Anna Weber', roles: ['maintenance'], scope: ['hamburg/**'], permissions: mock.permissions, opens: mock.opens })
  if (route === 'GET /about') return json({ plant: 'Plant Hamburg', time_zone: 'Europe/Berlin', version: '0.1.0', now: new Date().toISOString(), ui_built: true })
  if (route === 'GET /stations') return json({ stations: [...mock.world.agents].map(([station, a]) => ({ station, first: '', last: '', events: 1, agent: a.id })) })
  return events(mock, url, route, json, res, tools)
}

async function session(mock, req, json) {
  let body = ''
  for await (const part of req) body += part
  if (JSON.parse(body).password !== 'right horse') return json({ title: 'Unauthorized', status: 401 }, 401)
  mock.signedIn = true
  json({ name: 'anna' })
}

function events(mock, url, route, json, res, { parse, format, sorted }) {
  const { world } = mock
  let q
  try {
    q = parse(url.searchParams.get('q') ?? '', Date.now())
  } catch (e) {
    return json({ title: 'The filter has a mistake', status: 400, detail: e.message, pos: e.pos, len: e.len, suggestion: e.suggestion }, 400)
  }
  if (route === 'GET /events') return json(page(sorted(q), url, format(q)))
  if (route === 'GET /events/histogram') return json(histogram(sorted(q), url))
  const log = /^GET \/logs\/(.+)$/.exec(route)
  if (log) return world.logInfo(log[1]) ? json(world.logInfo(log[1])) : json({ title: 'Not found', status: 404 }, 404)
  const [, id, what] = /^GET \/events\/([^/]+)\/?(\w*)$/.exec(route) ?? []
  const event = world.byID.get(id)
  if (!event) return json({ title: 'Not found', status: 404, detail: 'there is no such event' }, 404)
  const shown = mock.tamper === id ? { ...event, leaf: { ...event.leaf, severity: 'info', event_data: { ...event.leaf.event_data, text: 'nothing to see' } } } : event
  if (what === 'proof' && mock.gone.has(id)) return json(mock.gone.get(id), mock.gone.get(id).status)
  if (what === 'proof') { res.setHeader('Content-Type', 'text/plain; charset=utf-8'); return res.end(world.proof(event)) }
  if (what === 'bundle') { res.setHeader('Content-Type', 'text/plain; charset=utf-8'); return res.end(world.bundle(event)) }
  if (what === 'around') {
    const same = sorted({ terms: [] }).filter(e => e.leaf.station === event.leaf.station).reverse()
    const i = same.indexOf(event)
    return json({ events: same.slice(Math.max(0, i - 25), i + 26).map(out) })
  }
  json({ ...out(url.searchParams.get('open') === 'true' ? opened(shown) : shown), others: [] })
}

/** The event with its sealed fields open, as far as somebody can still read them. */
function opened(event) {
  const sealed = Object.fromEntries(Object.entries(event.stored.sealed).map(([path, s]) => [path, s.state === 'sealed' ? { ...s, state: 'opened' } : s]))
  return { ...event, stored: { ...event.stored, sealed, opened: event.secrets } }
}

function page(all, url, query) {
  const from = Number(url.searchParams.get('after') || 0), limit = Number(url.searchParams.get('limit') || 100)
  // The offset counts from the end, so that new events do not move it.
  const end = from || all.length
  const begin = all.length - end
  const rows = all.slice(begin, begin + limit)
  const left = end - rows.length
  return { events: rows.map(out), next: left > 0 ? String(left) : '', query, count: all.length, count_capped: false }
}

function histogram(all, url) {
  const from = Date.parse(url.searchParams.get('from')), to = Date.parse(url.searchParams.get('to')), n = Number(url.searchParams.get('buckets'))
  const step = Math.max(1, (to - from) / n)
  const buckets = Array.from({ length: n }, (_, i) => ({ at: new Date(from + i * step).toISOString(), debug: 0, info: 0, low: 0, medium: 0, high: 0, critical: 0 }))
  for (const e of all) {
    const i = Math.floor((Date.parse(e.stored.at) - from) / step)
    if (i >= 0 && i < n) buckets[i][e.leaf.severity]++
  }
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), step_ms: step, buckets }
}

function file(path, res) {
  const name = normalize(path)
  const serve = name => {
    const content = readFileSync(join(dist, name))
    res.setHeader('Content-Type', mime[extname(name)] ?? 'text/plain')
    res.end(content)
  }
  try {
    serve(extname(name) ? name : 'index.html')
  } catch {
    res.statusCode = 404
    res.end()
  }
}
