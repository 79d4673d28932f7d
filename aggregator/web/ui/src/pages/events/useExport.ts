import { useEffect, useRef, useState } from 'react'
import { api } from '../../api/client'
import { count, fill, useTexts } from '../../i18n'
import { collect, separatorOf, type ExportFormat } from '../../live/export'
import { save } from '../../ui/save'
import { explain } from './words'

interface State { running: boolean; text: string }

/** Export of the filter with its progress in words. */
export function useExport(query: string): { state: State; start: (f: ExportFormat) => void; cancel: () => void } {
  const t = useTexts()
  const [state, setState] = useState<State>({ running: false, text: '' })
  const abort = useRef(new AbortController())
  useEffect(() => () => abort.current.abort(), [])
  const run = async (format: ExportFormat) => {
    const signal = (abort.current = new AbortController()).signal
    let read = 0
    const say = (text: string, n: number) => fill(text, { n: count(n, t.locale) })
    setState({ running: true, text: say(t.export.running, 0) })
    try {
      const out = await collect(after => api.events({ q: query, limit: 1000, after }, signal), format, n => {
        read = n
        setState({ running: true, text: say(t.export.running, n) })
      }, separatorOf(t.locale))
      const name = `events-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${format}`
      save(new Blob(out.parts, { type: format === 'csv' ? 'text/csv;charset=utf-8' : 'application/x-ndjson' }), name)
      setState({ running: false, text: say(out.capped ? t.export.doneCapped : t.export.done, out.count) })
    } catch (error) {
      if (signal.aborted) { setState({ running: false, text: '' }); return }
      setState({ running: false, text: fill(t.export.failed, { n: count(read, t.locale), detail: explain(error, t) }) })
    }
  }
  return { state, start: format => void run(format), cancel: () => abort.current.abort() }
}
