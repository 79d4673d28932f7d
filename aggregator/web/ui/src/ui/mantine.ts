import { createTheme } from '@mantine/core'

export const mantineTheme = createTheme({
  fontFamily: '"Inter Variable", system-ui, sans-serif',
  respectReducedMotion: true,
  components: {
    // Inside its landmark, and without the focus placeholder, which a menu may not contain.
    Menu: { defaultProps: { transitionProps: { duration: 0 }, withinPortal: false, withInitialFocusPlaceholder: false } },
    Popover: { defaultProps: { transitionProps: { duration: 0 } } },
  },
})
