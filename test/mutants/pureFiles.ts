/** The files that StrykerJS mutates, by room: those whose tests need no Redis. */
export interface PureRoom {
  /** The lowest score with which the command succeeds, in percent. */
  readonly minScore: number;
  readonly files: readonly string[];
}

const namesIn = (folder: string, ...names: readonly string[]) => names.map((name) => `${folder}${name}.ts`);

export const pureRooms: Readonly<Record<string, PureRoom>> = {
  machines: {
    minScore: 90,
    files: namesIn(
      'src/machines/',
      'verdict',
      'facts',
      'job',
      'lane',
      'pool',
      'endpoint',
      'dispatcher',
      'leader',
      'sweep',
      'rescue',
      'rescueAbort',
      'rescueOrphans',
      'rescuePass',
      'pools',
      'supervisor',
    ),
  },
  io: {
    minScore: 90,
    files: [
      ...namesIn('src/io/redis/', 'errors', 'keyNames', 'keys', 'outages', 'retry', 'url'),
      ...namesIn('src/io/hooks/', 'hookEvent', 'hooks', 'http/destination', 'http/reply'),
      'src/io/jobs/stats.ts',
    ],
  },
  rest: {
    minScore: 80,
    files: [
      ...namesIn('src/options/', 'values', 'renamed', 'read'),
      'src/reaper/schedule.ts',
      'src/cli/text.ts',
      ...namesIn('visualize/', 'access', 'allowance', 'broadcast'),
    ],
  },
};

const rescues = [
  'redis/plan',
  'redis/pools/apply-rescue',
  'redis/pools/planned-entries',
  'redis/pools/rescue-reports',
  'redis/pools/scoped-rescue',
  'redis/pools/quarantine',
];
const sweeps = ['redis/plan', 'redis/scoped-sweep', 'redis/jobs/suspended-sweep', 'redis/pass-reports'];
const deliveries = ['hooks/delivery', 'hooks/bounds', 'hooks/hosts', 'hooks/breaker-orders'];
const schedules = ['redis/leader/one-leader', 'redis/leader/lease', 'redis/reaper-behavior', 'redis/pass-reports'];
/**
 * Tests that need Redis, by the name of a machine: its facts go to its actors, and what it reports to callers. The mutants that
 * survive its own tests are tried with them, as other files' are with the tests that the lists of edits name.
 */
const machineTests: Readonly<Record<string, readonly string[]>> = {
  dispatcher: deliveries,
  endpoint: deliveries,
  facts: ['redis/jobs/odd-facts'],
  job: ['redis/apply', 'redis/jobs/act-outcomes', 'redis/plan'],
  lane: sweeps,
  leader: schedules,
  pool: rescues,
  pools: rescues,
  rescue: rescues,
  rescueAbort: rescues,
  rescueOrphans: [...rescues, 'redis/pools/orphans'],
  rescuePass: rescues,
  supervisor: schedules,
  sweep: sweeps,
  verdict: ['redis/jobs/evidence', 'redis/jobs/odd-facts'],
};

/** Tests that a file's survivors are tried with, beside those of the lists. */
export const slowTestsOf = (file: string): readonly string[] =>
  machineTests[/^src\/machines\/(\w+)\.ts$/.exec(file)?.[1] ?? ''] ?? [];
