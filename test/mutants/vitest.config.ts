import { defineConfig } from 'vitest/config';

/** The waits are shorter than in `npm test`: with an edit, a test may wait for something that never happens. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/buildPage.ts'],
    setupFiles: ['test/support/waits.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    fileParallelism: false,
    maxWorkers: 1,
    expect: { poll: { timeout: 30_000, interval: 20 } },
  },
});
