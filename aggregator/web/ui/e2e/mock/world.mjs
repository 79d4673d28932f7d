// A small plant for tests of the pages: events with real logs, real signatures
// and real proofs. It is no second aggregator; only the shapes are those of the API.
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

const sha = (...parts) => parts.reduce((h, p) => h.update(p), createHash('sha256')).digest()
const leafHash = leaf => sha(Buffer.from([0]), leaf)
const nodeHash = (l, r) => sha(Buffer.from([1]), l, r)
const rawKey = key => key.export({ format: 'der', type: 'spki' }).subarray(-32)

export function root(hashes) {
  if (hashes.length === 1) return hashes[0]
  const k = split(hashes.length)
  return nodeHash(root(hashes.slice(0, k)), root(hashes.slice(k)))
}
const split = n => { let k = 1; while (k * 2 < n) k *= 2; return k }
function path(hashes, i) {
  if (hashes.length === 1) return []
  const k = split(hashes.length)
  return i < k ? [...path(hashes.slice(0, k), i), root(hashes.slice(k))] : [...path(hashes.slice(k), i - k), root(hashes.slice(0, k))]
}

const keyID = (name, alg, key) => sha(Buffer.from(name + '\n'), Buffer.from([alg]), key).subarray(0, 4)
const line = (name, blob) => `— ${name} ${blob.toString('base64')}\n`

/** Deterministic random numbers: screenshots of two runs are alike. */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export class World {
  constructor({ seed = 7, now = () => Date.now() } = {}) {
    this.random = random(seed)
    this.now = now
    this.cosigner = { name: 'aggregator.hamburg', ...generateKeyPairSync('ed25519') }
    this.agents = new Map()
    this.logs = new Map()
    this.events = [] // commit order
    this.byID = new Map()
    this.parts = 113000
  }

  agent(station) {
    let agent = this.agents.get(station)
    if (!agent) {
      const pair = generateKeyPairSync('ed25519')
      agent = { ...pair, id: 'a' + sha(rawKey(pair.publicKey)).toString('hex').slice(0, 15) }
      this.agents.set(station, agent)
    }
    return agent
  }

  log(station, kind) {
    const agent = this.agent(station)
    const name = agent.id + kind
    let log = this.logs.get(name)
    if (!log) {
      const id = sha(rawKey(agent.publicKey), Buffer.from(kind)).toString('hex').slice(0, 16)
      log = { id, agent, kind, origin: `linewatch/${agent.id}/${kind}/${id}`, leaves: [] }
      this.logs.set(name, log)
      this.logs.set(id, log)
    }
    return log
  }

  pick(list) { return list[Math.floor(this.random() * list.length)] }
  near(value, spread, digits = 1) { return Number((value + (this.random() - 0.5) * spread).toFixed(digits)) }

  /**
   * Writes one event at a time (ms) and returns it as the API gives it. states: how its
   * sealed fields stand, by path; secrets: what is in those that can be opened.
   */
  write({ type, kind = 'manufacturing', severity = 'info', station, at, received, states, secrets, ...rest }) {
    const when = new Date(at).toISOString()
    const leaf = {
      id: uuid7(at, this.random), event_type: type, class: kind, severity, timestamp: when, collected_at: when, station, ...rest,
      ...states && { sealed: Object.fromEntries(Object.keys(states).map(path => [path, { key: sha(Buffer.from(path)).toString('hex'), text: randomBytes(40).toString('base64') }])) },
      metadata: { catalogue: '1', agent: '0.1.0', ...rest.metadata }, salt: randomBytes(16).toString('base64'),
    }
    const log = this.log(station, kind)
    log.leaves.push(Buffer.from(JSON.stringify(leaf)))
    const stored = {
      log: log.id, index: log.leaves.length - 1, at: when, received_at: new Date((received ?? at) + 12).toISOString(),
      clock_offset_ms: 3, problems: [], opened: {}, ...states && { sealed: states },
    }
    const event = { leaf, stored, secrets, seq: this.events.length + 1 }
    this.events.push(event)
    this.byID.set(leaf.id, event)
    return event
  }

  /**
   * The station changes its key in this log: a leaf log.key names the next one, and
   * is the last that the old key signs. forged: the new key signs the leaf itself.
   */
  turn(log, forged = false) {
    const heir = generateKeyPairSync('ed25519')
    const when = new Date(this.now()).toISOString()
    log.leaves.push(Buffer.from(JSON.stringify({
      id: uuid7(this.now(), this.random), event_type: 'log.key', class: log.kind, severity: 'low', timestamp: when, collected_at: when, station: 'hamburg/body/line1/st01',
      event_data: { origin: log.origin, publicKey: rawKey(heir.publicKey).toString('base64') }, salt: randomBytes(16).toString('base64'),
    })))
    log.turn = { size: log.leaves.length, heir, by: forged ? heir : log.agent }
  }

  proof(event) { return this.proofOf(this.logs.get(event.stored.log), event.stored.index, event.stored.received_at) }

  /** The proof of a leaf under the newest checkpoint, or under one of another size and key. */
  proofOf(log, i, received, size = log.leaves.length, key = log.turn && size > log.turn.size ? log.turn.heir : log.agent) {
    const hashes = log.leaves.slice(0, size).map(leafHash)
    const body = `${log.origin}\n${hashes.length}\n${root(hashes).toString('base64')}\n`
    const signature = sign(null, Buffer.from(body), key.privateKey)
    const seconds = BigInt(Math.floor(Date.parse(received) / 1000))
    const time = Buffer.alloc(8)
    time.writeBigUInt64BE(seconds)
    const cosignature = sign(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${body}`), this.cosigner.privateKey)
    const note = body + '\n' +
      line(log.origin, Buffer.concat([keyID(log.origin, 1, rawKey(key.publicKey)), signature])) +
      line(this.cosigner.name, Buffer.concat([keyID(this.cosigner.name, 4, rawKey(this.cosigner.publicKey)), time, cosignature]))
    const up = path(hashes, i).map(h => h.toString('base64') + '\n').join('')
    return `c2sp.org/tlog-proof@v1\nextra ${log.leaves[i].toString('base64')}\nindex ${i}\n${up}\n${note}`
  }

  /** The bundle of an event, with the leaf that bears out a change of the key. */
  bundle(event) {
    const log = this.logs.get(event.stored.log)
    const { keys, cosigners } = this.logInfo(log.id)
    const entry = (kind, text) => `${kind} ${Buffer.byteLength(text)}\n${text}\n`
    const text = 'linewatch-bundle@v1\n' + entry('summary', 'of a mock plant\n') +
      keys.map(k => `key ${log.origin} ${k.key} ${k.after} ${k.last}\n`).join('') + `cosigner ${cosigners[0].name} ${cosigners[0].key}\n` +
      (log.turn ? entry('basis', this.proofOf(log, log.turn.size - 1, event.stored.received_at, log.turn.size, log.turn.by)) : '') + entry('proof', this.proof(event))
    return text + `end sha256:${sha(Buffer.from(text)).toString('hex')}\n`
  }

  logInfo(id) {
    const log = this.logs.get(id)
    const key = (pair, after, last) => ({ key: rawKey(pair.publicKey).toString('base64'), after, last })
    return log && {
      origin: log.origin, agent: log.agent.id, class: log.kind, size: log.leaves.length, state: 'active',
      keys: log.turn ? [key(log.agent, 0, log.turn.size), key(log.turn.heir, log.turn.size, 0)] : [key(log.agent, 0, 0)],
      cosigners: [{ name: this.cosigner.name, key: rawKey(this.cosigner.publicKey).toString('base64') }],
    }
  }

  trustFile() {
    return [...this.agents.values()].map(a => `station ${a.id} ${sha(rawKey(a.publicKey)).toString('hex')}\n`).join('')
  }
}

function uuid7(ms, random) {
  const b = Buffer.alloc(16)
  b.writeUIntBE(ms, 0, 6)
  for (let i = 6; i < 16; i++) b[i] = Math.floor(random() * 256)
  b[6] = (b[6] & 0x0f) | 0x70
  b[8] = (b[8] & 0x3f) | 0x80
  return b.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
