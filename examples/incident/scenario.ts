/** What is wrong at 3 a.m.: how many jobs of which type are in which state, and what their counters say. */
import type { JobType } from './types.ts';

/**
 * - `waiting`: in its queue. `scheduled`: an execution of a policy, in `scheduled`. `policy`: a periodic policy.
 * - `running`: held and observed by a pool that lives. `held`: held by a dead pool. `poison`: the same, after three recoveries.
 * - `hung`: Running for days, and nowhere. `behind`: the endpoint has acknowledged more than the stats say.
 * - `undelivered`: has ended, and its endpoint is down. `owed`: has ended, and no hook was sent.
 * - `acknowledged`: has ended, and is tracked all the same. `missing`: tracked without stats.
 */
export type JobState =
  | 'waiting'
  | 'scheduled'
  | 'policy'
  | 'running'
  | 'held'
  | 'poison'
  | 'hung'
  | 'behind'
  | 'undelivered'
  | 'owed'
  | 'acknowledged'
  | 'missing';

export interface Group {
  readonly type: JobType;
  readonly state: JobState;
  readonly count: number;
}

/** The number of jobs in `full`. */
export const fullSize = 50_000;
const smallestSize = 400;

const full: readonly (readonly [JobType, Partial<Record<JobState, number>>])[] = [
  [
    'IMAGE_SCAN',
    { waiting: 34_200, running: 3, held: 14, hung: 9, behind: 12, undelivered: 210, acknowledged: 350, missing: 201 },
  ],
  ['REPLICATION', { waiting: 5_200, running: 9, held: 6, hung: 2, undelivered: 3_100 }],
  ['SBOM', { waiting: 1_150, held: 4, poison: 2 }],
  ['GARBAGE_COLLECTION', { waiting: 3, held: 1 }],
  ['SCHEDULER', { policy: 460, scheduled: 220 }],
  ['RETENTION', { running: 2, undelivered: 640, acknowledged: 260 }],
  ['WEBHOOK', { undelivered: 2_300, owed: 304 }],
  ['SLACK', { undelivered: 420 }],
  ['TEAMS', { undelivered: 310 }],
  ['P2P_PREHEAT', { hung: 1, undelivered: 140 }],
  ['SCAN_ALL', { running: 1 }],
  ['SCAN_DATA_EXPORT', { hung: 1, acknowledged: 40 }],
  ['PURGE_AUDIT_LOG', { acknowledged: 24 }],
  ['SYSTEM_ARTIFACT_CLEANUP', { acknowledged: 12 }],
  ['EXECUTION_SWEEP', { behind: 6, acknowledged: 380 }],
  ['AUDIT_LOGS_GDPR_COMPLIANT', { owed: 2 }],
  ['DEMO', { acknowledged: 1 }],
];

/** States whose jobs have a worker, or are a story each. Like groups of few jobs, they do not become fewer with the size. */
const fixed: ReadonlySet<JobState> = new Set(['running', 'held', 'poison', 'hung', 'behind']);

/**
 * The groups of a scenario with `size` jobs in all. The queue of IMAGE_SCAN takes what rounding leaves.
 * @throws RangeError for fewer than 400: what does not scale would be most of it.
 */
export const groupsOf = (size: number): readonly Group[] => {
  if (size < smallestSize) throw new RangeError(`the scenario needs at least ${smallestSize} jobs`);
  const groups = full.flatMap(([type, counts]) =>
    Object.entries(counts).map(([name, count]): Group => {
      const state = name as JobState;
      const scales = count >= 20 && !fixed.has(state);
      return { type, state, count: scales ? Math.max(1, Math.round((count * size) / fullSize)) : count };
    }),
  );
  const [queue, ...others] = groups as [Group, ...Group[]];
  const waiting = size - others.reduce((sum, { count }) => sum + count, 0);
  return [{ ...queue, count: waiting }, ...others];
};

/** Counters of a type. Types that are not in the list have no cap, and counters that are right. */
export interface Counters {
  /** `max_concurrency`. */
  readonly cap?: number;
  readonly isPaused?: boolean;
  /** The lock, if it differs from what pools hold. */
  readonly lock?: number;
}

export const counters: Readonly<Partial<Record<JobType, Counters>>> = {
  // Each host that died in mid-job has left its share in the lock. Nothing but a rescue takes it away.
  IMAGE_SCAN: { cap: 200, lock: 20_517 },
  SBOM: { cap: 50, lock: 61 },
  GARBAGE_COLLECTION: { cap: 1 },
  REPLICATION: { isPaused: true, lock: 21 },
  RETENTION: { lock: 0 },
  WEBHOOK: { lock: 12 },
};
