import { defineConfig } from 'vitest/config';

const machines = ['test/machines/*.test.ts'];
const others = [
  'test/io/*.test.ts',
  'test/{options,options-values}.test.ts',
  'test/hooks/destination.test.ts',
  'test/redis/redis-url.test.ts',
  'test/cli/text.test.ts',
  'test/visualize/{access,allowance,broadcast}.test.ts',
];

/** Fast tests that need no Redis. StrykerJS runs them for each mutant of a room. */
export default defineConfig({
  test: {
    include: process.env.MUTANTS_ROOM === 'machines' ? machines : others,
    exclude: ['test/io/id-table.test.ts'],
    testTimeout: 60_000,
  },
});
