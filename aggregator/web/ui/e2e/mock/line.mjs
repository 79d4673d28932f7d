// What the machines of the mock plant do: mostly normal work, now and then
// something that a person should see.
const stations = [1, 2, 3, 4, 5, 6].flatMap(line => Array.from({ length: 12 }, (_, i) => `hamburg/body/line${line}/st${String(i + 1).padStart(2, '0')}`))
const person = n => 'p-' + n.toString(16).padStart(2, '0').repeat(16)

const usual = [
  w => ({ type: 'quality.check', equipment: 'screwdriver-2', data: { productId: w.parts++, characteristic: 'Torque', value: w.near(42, 3), unit: 'Nm', result: 'pass' } }),
  w => ({ type: 'quality.check', equipment: 'camera-1', data: { productId: w.parts++, characteristic: 'Gap', value: w.near(3.4, 0.4, 2), unit: 'mm', result: 'pass' } }),
  w => ({ type: 'equipment.status', equipment: w.pick(['press-12', 'robot-3', 'conveyor-1']), data: { status: 'running', previous: 'idle' } }),
  w => ({ type: 'equipment.status', equipment: w.pick(['press-12', 'robot-3', 'conveyor-1']), data: { status: 'blocked', previous: 'running' } }),
  w => ({ type: 'material.flow', data: { materialId: `coil-${w.pick([12, 13, 14])}`, action: 'loaded', quantity: 1, lot: 'L2211' } }),
  w => ({ type: 'station.operation', data: { operation: 'Cycle', state: 'completed', by: 'plc', durationMs: Math.round(w.near(28000, 9000, 0)) } }),
]
const low = [
  w => ({ type: 'access.denied', kind: 'security', severity: 'low', user_id: person(0x9f), source_ip: '10.4.1.77', data: { userId: person(0x9f), resource: 'recipes', action: 'write', reason: 'role viewer' } }),
  w => ({ type: 'command.issued', kind: 'security', severity: 'low', user_id: person(0x1c), data: { target: 'press-12', command: 'reset', value: 1, by: person(0x1c), origin: 'panel' } }),
]
const medium = [
  w => ({ type: 'equipment.fault', severity: 'medium', equipment: 'press-12', data: { code: 'F217', text: 'Spindle temperature above warning limit', value: w.near(63.1, 8), unit: 'degC', since: new Date(w.now() - 4000).toISOString() }, curve: curve(w) }),
  w => ({ type: 'recipe.change', kind: 'security', severity: 'medium', user_id: person(0x1c), equipment: 'weld-07', data: { recipe: 'weld_07', oldVersion: '41', newVersion: '42', by: person(0x1c), reason: 'new sheet' } }),
  w => ({ type: 'quality.check', severity: 'medium', equipment: 'screwdriver-2', data: { productId: w.parts++, characteristic: 'Torque', value: w.near(47, 2), unit: 'Nm', result: 'fail' } }),
]
const high = [
  w => ({ type: 'audit.gap', kind: 'security', severity: 'high', data: { source: 'press-12', cause: 'OPC UA queue overflow', from: '118', to: '131' } }),
  w => ({ type: 'removable_media.connected', kind: 'security', severity: 'high', data: { device: 'Kingston 32 GB', serial: '60A44C', vendor: 'Kingston', host: 'ipc-0407', user: person(0x1c) } }),
]

function curve(w) {
  const n = 120, min = Buffer.alloc(n * 4), max = Buffer.alloc(n * 4)
  for (let i = 0; i < n; i++) {
    const v = 52 + 9 * (i / n) ** 3 + Math.sin(i / 6) + w.random()
    min.writeFloatLE(v - 0.6, i * 4)
    max.writeFloatLE(v + 0.6, i * 4)
  }
  return { start: new Date(w.now() - 60_000).toISOString(), step_ms: 500, unit: 'degC', min: min.toString('base64'), max: max.toString('base64') }
}

/** A limit that is passed, with the curve before it, and the one after it in a
 *  linked event; returns the alarm. */
export function alarm(w) {
  const at = w.now() - 60_000
  const common = { station: 'hamburg/body/line3/st07', equipment: 'press-12', signal: 'press.temperature', correlation_id: 'order 47, "left"' }
  const part = (from, n, value) => {
    const min = Buffer.alloc(n * 4), max = Buffer.alloc(n * 4)
    for (let i = 0; i < n; i++) {
      const gap = i > 20 && i < 26 ? NaN : 0
      min.writeFloatLE(value(i) - 0.4 + gap, i * 4)
      max.writeFloatLE(value(i) + 0.4 + gap, i * 4)
    }
    return { start: new Date(from).toISOString(), step_ms: 1000, unit: 'degC', min: min.toString('base64'), max: max.toString('base64') }
  }
  const event = w.write({
    ...common, type: 'alarm.state', severity: 'medium', at, metadata: { parser: 'limits' },
    event_data: {
      condition: 'High', state: 'active', severity: 500, value: 91.4, limit: 90, limits: { hihi: 95, hi: 90 }, deadband: 1, extreme: 91.4, unit: 'degC', since: new Date(at - 2000).toISOString(),
      band: { low: 59.8, high: 84.1 }, conditionId: 'press.temperature/High', source: 'press.temperature',
      explanation: 'press.temperature is 91.4 degC, above its High limit of 90 for longer than 2s.',
    },
    curve: part(at - 200_000, 200, i => 63 + 2 * Math.sin(i / 9) + 28 * Math.max(0, (i - 120) / 80) ** 2),
  })
  w.write({
    ...common, type: 'signal.curve', severity: 'debug', at, event_data: { signal: common.signal, of: 'High' },
    curve: part(at, 55, i => 91 + 4 * Math.sin(i / 14) - i / 6),
  })
  return event
}

/** Writes one thing that happens at a time. */
export function happen(world, at) {
  const r = world.random()
  const kind = r < 0.9 ? usual : r < 0.94 ? low : r < 0.985 ? medium : high
  const { data, ...rest } = world.pick(kind)(world)
  return world.write({ station: world.pick(stations), at, ...rest, event_data: data })
}
