// `npm run mock`: the mock plant on port 8090 for work on the pages.
import { startMock } from './server.mjs'

const mock = await startMock({ port: 8090, rate: Number(process.env.RATE ?? 12) })
console.log(`${mock.url} (any name, password "right horse")`)
