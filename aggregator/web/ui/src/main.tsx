import '@fontsource-variable/inter/wght.css'
import '@mantine/core/styles/default-css-variables.css'
import '@mantine/core/styles/global.css'
import '@mantine/core/styles/UnstyledButton.css'
import '@mantine/core/styles/Popover.css'
import '@mantine/core/styles/Menu.css'
import './ui/theme.css'
import './ui/parts.css'
import './app/shell.css'

import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api/client'
import { router } from './app/router'
import { SettingsProvider, useSettings } from './app/settings'
import { mantineTheme } from './ui/mantine'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // An answer that says no will say no again; only silence is worth a second try.
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 502),
      refetchOnWindowFocus: false,
    },
  },
})

function Themed() {
  const { theme } = useSettings()
  // Mantine's variables come from its style sheet, not from an inline <style>:
  // the content security policy allows none.
  return (
    <MantineProvider theme={mantineTheme} forceColorScheme={theme} withCssVariables={false} withGlobalClasses={false}>
      <RouterProvider router={router} />
    </MantineProvider>
  )
}

// After an upgrade of the server an open page may ask for a part that is gone:
// the new page has it. Once a minute at most, so that a real fault is not a loop.
addEventListener('vite:preloadError', event => {
  const last = Number(sessionStorage.getItem('linewatch.reloaded') ?? 0)
  if (Date.now() - last < 60_000) return
  event.preventDefault()
  sessionStorage.setItem('linewatch.reloaded', String(Date.now()))
  location.reload()
})

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <SettingsProvider><Themed /></SettingsProvider>
    </QueryClientProvider>
  </StrictMode>,
)
