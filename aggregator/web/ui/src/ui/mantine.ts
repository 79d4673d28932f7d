import { createTheme } from '@mantine/core'

export const mantineTheme = createTheme({
  fontFamily: '"Inter Variable", system-ui, sans-serif',
  respectReducedMotion: true,
  components: {
    Menu: { defaultProps: { transitionProps: { duration: 0 }, shadow: 'md' } },
    Popover: { defaultProps: { transitionProps: { duration: 0 } } },
  },
})
