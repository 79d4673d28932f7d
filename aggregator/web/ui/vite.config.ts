import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// Vitest lists failures with Map.groupBy, which Node 20 lacks: without it a test
// fails and nobody learns which.
const map = Map as typeof Map & { groupBy?: unknown }
map.groupBy ??= <T, K>(items: Iterable<T>, keyOf: (item: T, index: number) => K) => {
  const groups = new Map<K, T[]>()
  let index = 0
  for (const item of items) {
    const key = keyOf(item, index++)
    groups.set(key, [...(groups.get(key) ?? []), item])
  }
  return groups
}

// The build goes where embed.go looks for it. public/README.txt is the one
// committed file of that folder, so that `go build` works without a build.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0, // data: URLs would need a wider content security policy
    modulePreload: { polyfill: false }, // the polyfill is an inline script
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'react', test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/ },
            { name: 'mantine', test: /node_modules[\\/](@mantine|@floating-ui|clsx)[\\/]/ },
            { name: 'tanstack', test: /node_modules[\\/]@tanstack[\\/]/ },
          ],
        },
      },
    },
  },
  server: {
    port: 5173,
    proxy: { '/api': { target: 'http://127.0.0.1:8090', ws: true } },
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
})
