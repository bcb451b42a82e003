import { defineConfig } from 'vitest/config';
import { testTimeout } from '../../support/waitLimit.ts';

/** `npm run deploy:check`: tests that need a tool which this project does not install. */
export default defineConfig({
  test: { include: ['test/deploy/tools/*.check.ts'], testTimeout, hookTimeout: testTimeout, maxWorkers: 1 },
});
