import { type EndpointStatus, endpointStatusOf } from '../admin/hookRecords.ts';
import type { HookRecords } from '../io/hooks/records.ts';
import type { PageReader } from '../io/jobs/pageReader.ts';
import type { Lease } from '../io/leader/lease.ts';
import type { Pools } from '../io/pools/rescue.ts';
import type { Connection } from '../io/redis/connection.ts';
import type { Deps } from '../io/redis/deps.ts';
import type { Keys } from '../io/redis/keys.ts';
import { keysOf } from '../io/redis/keys.ts';
import { inChunks, readHash } from '../io/redis/paged.ts';
import { unlessRefused } from '../io/redis/refusals.ts';
import { findWrongTyped, keysOfType, singleKeysOf, unlessWrongType } from '../io/redis/wrongTypes.ts';
import { isoOfSecond, isoTimeOrNone } from '../isoTime.ts';
import { isFinal, isStatus } from '../machines/facts.ts';
import type { Reason, Verdict } from '../machines/verdict.ts';
import { judge, type Policy } from '../machines/verdict.ts';

export interface QueueStatus {
  readonly type: string;
  readonly queued: number;
  readonly isPaused: boolean;
  /** Cap on running jobs; 0 for none. */
  readonly maxConcurrency: number;
  readonly lock: number;
  readonly lockInfo: number;
  /** Entries in the in-progress lists of all pools. Both counters should be equal to it. */
  readonly inProgress: number;
  /** lock − inProgress. */
  readonly drift: number;
}

/** The leader, and the progress of the passes that the hosts share. ISO times by Redis TIME. */
export interface LeaderStatus {
  /** Host and process of the leader; undefined if there is none. */
  readonly host: string | undefined;
  /** Start of its term. */
  readonly leaderSinceAt: string | undefined;
  readonly isThisHost: boolean;
  /** Start of the last sweep; undefined if there was none. */
  readonly sweepStartedAt: string | undefined;
  /** Whether that sweep is running, or will be continued. */
  readonly isSweeping: boolean;
  /** Jobs that it has scanned, and jobs that were tracked when it started. */
  readonly scanned: number;
  readonly total: number;
  /** Ends of the last passes that completed. */
  readonly sweepEndedAt: string | undefined;
  readonly rescueEndedAt: string | undefined;
}

/** State of a namespace. */
export interface ReaperStatus {
  readonly namespace: string;
  /** Address of Redis, without user and password. */
  readonly redis: string;
  readonly tracked: {
    readonly total: number;
    readonly byStatus: Readonly<Record<string, number>>;
    readonly byVerdict: Readonly<Partial<Record<Verdict, number>>>;
    readonly byReason: Readonly<Partial<Record<Reason, number>>>;
    /** Final jobs that are tracked only because their last hook is parked. They are not in progress. */
    readonly parkedFinal: number;
  };
  /** Undelivered hooks. */
  readonly hooks: {
    readonly endpoints: readonly EndpointStatus[];
    readonly pending: number;
    readonly parked: number;
    /** ISO time of the first attempt of the hook that has been undelivered for longest; undefined if there is none. */
    readonly oldestAttemptAt: string | undefined;
  };
  readonly queues: readonly QueueStatus[];
  readonly retry: number;
  readonly scheduled: number;
  readonly dead: number;
  /** Poison jobs in quarantine. */
  readonly quarantined: number;
  readonly pools: readonly {
    readonly pool: string;
    readonly isAlive: boolean;
    readonly host: string | undefined;
    /** Age of its heartbeat by Redis TIME, in ms; negative if it is ahead; undefined if there is none. */
    readonly heartbeatAgeMs: number | undefined;
    readonly inProgress: number;
  }[];
  readonly leader: LeaderStatus;
  /** Keys, and names of in-progress lists, that cannot be read, each with what to do. They count as empty. */
  readonly unreadable: readonly string[];
  /**
   * Whether the scan of all key names was cut short, because there are too many. In-progress lists of pools or types that no
   * other key names may be missing.
   */
  readonly isPartial: boolean;
  /** If the namespace is empty: the form of it, with or without braces, that is not. */
  readonly hint: string | undefined;
}

/** How long the names of all keys are scanned, in ms. */
const walkFor = 5_000;
/** Job types whose keys are read at the same time. */
const typesAtOnce = 100;

export const createStatus =
  ({
    connection,
    keys,
    namespace,
    open,
    pools,
    policy,
    records,
    lease,
  }: Pick<Deps, 'connection' | 'keys'> & {
    namespace: string;
    /** Begins to read all tracked jobs. */
    open: () => PageReader;
    pools: Pools;
    policy: Policy;
    records: HookRecords;
    lease: Lease;
  }) =>
  async (): Promise<ReaperStatus> => {
    const { redis } = connection;
    const tracked = await unlessWrongType(trackedOf({ open, policy, records }), nothingTracked);
    const survey = await pools.readRegistryWithin(walkFor);
    const held = new Map<string, number>();
    const holding = new Map<string, number>();
    await inChunks(survey.lists, async ([type, pool]) => {
      const length = await unlessWrongType(redis.llen(keys.inProgress(type, pool)), 0);
      held.set(type, (held.get(type) ?? 0) + length);
      holding.set(pool, (holding.get(pool) ?? 0) + length);
    });
    const queues = await inChunks(
      survey.types,
      (type) => queueOf(type, held.get(type) ?? 0, connection, keys),
      typesAtOnce,
    );
    const [retry, scheduled, dead, quarantined] = await Promise.all([
      unlessWrongType(redis.zcard(keys.retry), 0),
      unlessWrongType(redis.zcard(keys.scheduled), 0),
      unlessWrongType(redis.zcard(keys.dead), 0),
      unlessWrongType(redis.hlen(keys.quarantine), 0),
    ]);
    const wrongTyped = await findWrongTyped(redis, [
      ...singleKeysOf(keys),
      ...survey.types.flatMap((type) => keysOfType(keys, type)),
    ]);
    const unreadable = [...new Set([...survey.unreadable, ...wrongTyped])];
    const isEmpty =
      tracked.total === 0 && survey.types.length === 0 && survey.pools.length === 0 && unreadable.length === 0;
    return {
      namespace,
      redis: connection.description,
      tracked,
      hooks: await unlessWrongType(hooksOf(records), noHooks),
      queues: queues.sort((a, b) => (a.type < b.type ? -1 : 1)),
      retry,
      scheduled,
      dead,
      quarantined,
      pools: survey.pools.map(({ pool, isAlive, host, age }) => ({
        pool,
        isAlive,
        host,
        heartbeatAgeMs: age === undefined ? undefined : Math.round(age),
        inProgress: holding.get(pool) ?? 0,
      })),
      leader: await unlessWrongType(leaderOf(lease), noLeader),
      unreadable,
      isPartial: !survey.isComplete,
      hint: isEmpty ? await hintFor(connection, namespace) : undefined,
    };
  };

const nothingTracked: ReaperStatus['tracked'] = { total: 0, byStatus: {}, byVerdict: {}, byReason: {}, parkedFinal: 0 };
const noHooks: ReaperStatus['hooks'] = { endpoints: [], pending: 0, parked: 0, oldestAttemptAt: undefined };
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

/** Counts of all tracked jobs. Maps, because a status in Redis may have the name of a method of Object. */
const trackedOf = async ({
  open,
  policy,
  records,
}: {
  open: () => PageReader;
  policy: Policy;
  records: HookRecords;
}): Promise<ReaperStatus['tracked']> => {
  const byStatus = new Map<string, number>();
  const byVerdict = new Map<Verdict, number>();
  const byReason = new Map<Reason, number>();
  let total = 0;
  let parkedFinal = 0;
  const reader = open();
  for (let isLast = false; !isLast; ) {
    const page = await reader.next();
    isLast = page.isLast;
    const unconfirmed = page.jobs.filter(
      ({ facts }) => isStatus(facts.status) && isFinal(facts.status) && judge(facts, policy).verdict === 'refire',
    );
    const isParked = await unlessWrongType(records.areParked(unconfirmed.map(({ facts }) => facts.id)), []);
    const parkedIds = new Set(unconfirmed.filter((_, i) => isParked[i]).map(({ facts }) => facts.id));
    parkedFinal += parkedIds.size;
    for (const { facts } of page.jobs) {
      if (parkedIds.has(facts.id)) continue;
      const { verdict, reason } = judge(facts, policy);
      total += 1;
      count(byStatus, facts.status ?? 'no status');
      count(byVerdict, verdict);
      count(byReason, reason);
    }
  }
  const recordOf = <Name extends string>(counts: ReadonlyMap<Name, number>) =>
    Object.fromEntries(counts) as Record<Name, number>;
  return {
    total,
    byStatus: recordOf(byStatus),
    byVerdict: recordOf(byVerdict),
    byReason: recordOf(byReason),
    parkedFinal,
  };
};

const count = <Name>(counts: Map<Name, number>, name: Name) => counts.set(name, (counts.get(name) ?? 0) + 1);

const queueOf = async (type: string, inProgress: number, connection: Connection, keys: Keys): Promise<QueueStatus> => {
  const { redis } = connection;
  const [queued, paused, cap, lock, counts] = await Promise.all([
    unlessWrongType(redis.llen(keys.queue(type)), 0),
    redis.exists(keys.paused(type)),
    unlessWrongType(redis.get(keys.maxConcurrency(type)), null),
    unlessWrongType(redis.get(keys.lock(type)), null),
    unlessWrongType(readHash(connection, keys.lockInfo(type)), new Map<string, string>()),
  ]);
  return {
    type,
    queued,
    isPaused: paused === 1,
    maxConcurrency: Number(cap ?? 0) || 0,
    lock: Number(lock ?? 0) || 0,
    lockInfo: [...counts.values()].reduce((sum, text) => sum + (Number(text) || 0), 0),
    inProgress,
    drift: (Number(lock ?? 0) || 0) - inProgress,
  };
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

const hooksOf = async (records: HookRecords): Promise<ReaperStatus['hooks']> => {
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

/** Harbor writes its namespace in braces, other users may not. Checks whether the other form is in use. */
const hintFor = async ({ redis }: Connection, namespace: string): Promise<string | undefined> => {
  const name = namespace.trim().replace(/:$/, '');
  const other = /^\{.*\}$/.test(name) ? name.slice(1, -1) : `{${name}}`;
  const keys = keysOf(other);
  // A Redis user that is restricted to the keys of its namespace gets no hint.
  const found = (await unlessRefused(redis.exists(keys.track, keys.pools, keys.knownJobs))) ?? 0;
  return found > 0 ? `namespace ${namespace} is empty, but ${other} is not: did you mean that one?` : undefined;
};
