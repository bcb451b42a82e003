import { defineConfig } from 'vitest/config';

/** A test may wait without end for what an edit has broken, so it waits for less long than in `npm test`. */
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
