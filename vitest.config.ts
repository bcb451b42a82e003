import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { testTimeout, waitLimit } from './test/support/waitLimit.ts';

/** Tests without Redis. They run first, and one that starts a Redis fails. All other files are in the project `redis`. */
const unit = [
  'test/*.test.ts',
  'test/{io,machines,mutants,queries,server}/**/*.test.ts',
  'test/deploy/{deploy,image}.test.ts',
  'test/cli/{completion,left-hooks,numbers,program,progress,status,text}.test.ts',
  'test/hooks/{basic-authorization,destination,exchange,post,post-destinations,post-tls,response-body-time,speaks-first}.test.ts',
  'test/redis/redis-url.test.ts',
  'test/visualize/{access,allowance,broadcast,charts,heartbeat,layouts,socket-limits}.test.ts',
];

/** The slowest files of each project, slowest first. If one of them started last, it would run alone at the end. */
const slow = [
  'visualize/layouts',
  'visualize/charts',
  'machines/dispatcher.model',
  'cli/program',
  'chaos/redis-disruptions',
  'cli/reaper',
  'cli/terminal',
  'conformance/sweep',
  'browser/inspector',
  'redis/half-done',
  'chaos/chaos',
  'hooks/script-properties',
  'examples/incident',
  'visualize/messages',
  'redis/plan',
  'redis/plan-wrong-types',
  'hooks/script-orders',
  'redis/largest-numbers',
  'redis/pools/bounded-steps',
  'redis/properties',
  'redis/rights',
  'redis/jobs/evidence',
  'redis/pools/counter-steps',
  'model/spec',
  'redis/pools/quarantine-orders',
  'examples/worker-host',
  'browser/odd-data',
  'cli/output',
  'examples/demo',
  'hooks/kill',
  'redis/jobs/sweep-restart',
  'redis/pools/orphan-orders',
  'examples/watch',
  'redis/jobs/large-values',
  'redis/connection-outages',
  'hooks/breaker-orders',
  'cli/doctor',
  'redis/connection',
  'hooks/hosts',
  'redis/pools/lost-replies-rescue',
  'redis/leader/one-leader',
  'redis/jobs/lost-replies',
  'cli/quarantine',
  'browser/accessibility',
  'redis/jobs/screen',
];
const rank = ({ moduleId }: TestSpecification) => {
  const index = slow.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
  return index < 0 ? slow.length : index;
};
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    // Many tests wait for processes, so three workers more than processors keep the processors busy.
    maxWorkers: availableParallelism() + 3,
    // The files of a worker share its modules, which keep no state: that saves a fifth of the processor time. What a test
    // changes outside itself (a Redis, a process, an environment variable), it undoes.
    isolate: false,
    sequence: { sequencer: SlowFirst },
    globalSetup: ['test/support/buildPage.ts', 'test/support/buildPrograms.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: unit,
          sequence: { groupOrder: 0 },
          env: { REDIS_SERVER: 'no-redis-in-unit-tests' },
        },
      },
      {
        extends: true,
        test: { name: 'redis', include: ['test/**/*.test.ts'], exclude: unit, sequence: { groupOrder: 1 } },
      },
    ],
    setupFiles: ['test/support/waits.ts'],
    testTimeout,
    hookTimeout: testTimeout,
    expect: { poll: { timeout: waitLimit, interval: 20 } },
  },
});
