/**
 * Packages that are built into the JavaScript of this package, so they are development dependencies. Installed, they take more
 * place than all others together: most of it is sources, tests, and variants that are never loaded. Packages whose objects or
 * types a user shares with the reaper, and those that start workers or hold connections, stay dependencies.
 */
export const bundled = [
  'cli-progress',
  'cli-table3',
  'commander',
  'ms',
  'pino-pretty',
  'prom-client',
  'string-width',
  'yaml',
  'zod',
];
