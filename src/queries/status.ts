import { endpointStatusOf } from '../admin/hookRecords.ts';
import type { HookRecords } from '../io/hooks/records.ts';
import type { PageReader } from '../io/jobs/pageReader.ts';
import type { Lease } from '../io/leader/lease.ts';
import type { Registry } from '../io/pools/registry.ts';
import type { Pools } from '../io/pools/rescue.ts';
import type { Deps } from '../io/redis/deps.ts';
import { redisTime } from '../io/redis/time.ts';
import { refusalOfWrites } from '../io/redis/writes.ts';
import { findWrongTyped, keysOfType, singleKeysOf, unlessWrongType } from '../io/redis/wrongTypes.ts';
import { isoOfSecond, isoTime, isoTimeOrNone } from '../isoTime.ts';
import type { SuspensionReason } from '../machines/refusal.ts';
import type { Policy } from '../machines/verdict.ts';
import type { ScheduleSettings } from '../options/schedule.ts';
import type { createElsewhere } from './elsewhere.ts';
import { countHeld } from './held.ts';
import { createPoolReader } from './poolStatus.ts';
import type { Problem } from './problem.ts';
import { problemsOf } from './problems.ts';
import { createQueueReader } from './queues.ts';
import type { LeaderStatus, NamespaceState } from './state.ts';
import { countTracked, type TrackedCounts } from './trackedCounts.ts';

/** State of a namespace. */
export interface ReaperStatus extends NamespaceState {
  /** What is wrong, the worst first. Empty, or only notices, if nothing needs attention. */
  readonly problems: readonly Problem[];
}

/** How long the names of all keys are scanned, in ms. */
const walkFor = 5_000;

export interface StatusDeps extends Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> {
  readonly settings: ScheduleSettings & { readonly namespace: string };
  /** Begins to read all tracked jobs. */
  readonly open: () => PageReader;
  readonly pools: Pools;
  readonly policy: Policy;
  readonly records: HookRecords;
  readonly lease: Lease;
  /** Why the passes of this reaper are suspended. */
  readonly suspended: () => SuspensionReason | undefined;
  readonly findElsewhere: ReturnType<typeof createElsewhere>;
}

export const createStatus = (deps: StatusDeps) => {
  const { connection, settings, pools, records, lease, suspended, findElsewhere } = deps;
  const { redis } = connection;
  const readQueues = createQueueReader(deps);
  const readPools = createPoolReader({ ...deps, settings: settings.rescue });

  return async (): Promise<ReaperStatus> => {
    const tracked = await unlessWrongType(countTracked(deps), nothingTracked);
    const survey = await pools.readRegistryWithin(walkFor);
    const held = await countHeld(deps, survey);
    const time = await redisTime(redis);
    const counts = await countSets(deps);
    const read = {
      namespace: settings.namespace,
      redis: connection.description,
      readAt: isoTime(time),
      suspended: (await refusalOfWrites(deps)) ?? suspended(),
      tracked,
      hooks: await unlessWrongType(hooksOf(records), noHooks),
      queues: await readQueues(survey.types, survey, held, time),
      ...counts,
      pools: await readPools(survey.pools, held, time),
      leader: await unlessWrongType(leaderOf(lease), noLeader),
      unreadable: await unreadableOf(deps, survey),
      isPartial: !survey.isComplete,
    };
    const elsewhere = isEmpty(read) ? await findElsewhere() : [];
    const status = { ...read, elsewhere, hint: elsewhere[0]?.hint };
    return { ...status, problems: problemsOf(status, settings) };
  };
};

const isEmpty = ({ tracked, queues, pools, unreadable }: Omit<NamespaceState, 'elsewhere' | 'hint'>): boolean =>
  tracked.total + tracked.parkedFinal + pools.length + unreadable.length === 0 &&
  queues.every(({ queued, inProgress }) => queued + inProgress === 0);

/** Sizes of the sets that exist once in a namespace. */
const countSets = async ({ connection: { redis }, keys }: Pick<Deps, 'connection' | 'keys'>) => {
  const [retry, scheduled, dead, quarantined] = await Promise.all(
    [redis.zcard(keys.retry), redis.zcard(keys.scheduled), redis.zcard(keys.dead), redis.hlen(keys.quarantine)].map(
      (size) => unlessWrongType(size, 0),
    ),
  );
  return { retry, scheduled, dead, quarantined } as Pick<
    NamespaceState,
    'retry' | 'scheduled' | 'dead' | 'quarantined'
  >;
};

const unreadableOf = async (
  { connection, keys }: Pick<Deps, 'connection' | 'keys'>,
  { types, unreadable }: Registry,
) => {
  const named = [...singleKeysOf(keys), ...types.flatMap((type) => keysOfType(keys, type))];
  return [...new Set([...unreadable, ...(await findWrongTyped(connection.redis, named))])];
};

const nothingTracked: TrackedCounts = {
  total: 0,
  byStatus: {},
  byVerdict: {},
  byReason: {},
  parkedFinal: 0,
  refireWithHook: 0,
};
const noHooks: NamespaceState['hooks'] = { endpoints: [], pending: 0, parked: 0, oldestAttemptAt: undefined };
const noLeader: LeaderStatus = {
  host: undefined,
  leaderSinceAt: undefined,
  isThisHost: false,
  sweepStartedAt: undefined,
  isSweeping: false,
  scanned: 0,
  total: 0,
  sweepEndedAt: undefined,
  rescueEndedAt: undefined,
};

const leaderOf = async (lease: Lease): Promise<LeaderStatus> => {
  const { leader, progress } = await lease.read();
  return {
    host: leader?.host,
    leaderSinceAt: isoTimeOrNone(leader?.since),
    isThisHost: leader?.isThisOne === true,
    sweepStartedAt: isoTimeOrNone(progress.begun),
    isSweeping: progress.isSweeping,
    scanned: progress.scanned,
    total: progress.total,
    sweepEndedAt: isoTimeOrNone(progress.ended),
    rescueEndedAt: isoTimeOrNone(progress.rescueEnded),
  };
};

const hooksOf = async (records: HookRecords): Promise<NamespaceState['hooks']> => {
  const counts = { pending: 0, parked: 0 };
  let oldest: number | undefined;
  for await (const page of records.all()) {
    for (const { state, first } of page) {
      counts[state === 'parked' ? 'parked' : 'pending'] += 1;
      if (state !== 'parked' && first !== undefined) oldest = Math.min(first, oldest ?? first);
    }
  }
  return {
    endpoints: (await records.endpoints()).map(endpointStatusOf),
    ...counts,
    oldestAttemptAt: oldest === undefined ? undefined : isoOfSecond(oldest),
  };
};
