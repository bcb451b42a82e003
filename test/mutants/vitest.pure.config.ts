import { defineConfig } from 'vitest/config';

/** Tests that need no Redis and little time: StrykerJS runs them for each of its mutants. */
export default defineConfig({
  test: {
    include: [
      'test/io/*.test.ts',
      'test/machines/*.test.ts',
      'test/options.test.ts',
      'test/hooks/destination.test.ts',
      'test/redis/redis-url.test.ts',
      'test/cli/text.test.ts',
      'test/visualize/{access,allowance,broadcast}.test.ts',
    ],
    exclude: ['test/io/id-table.test.ts'],
    testTimeout: 60_000,
  },
});
