import type { EndpointStatus } from '../io/hooks/endpoints.ts';
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
  /** Entries in the in-progress lists of all pools: what the two counters should be. */
  readonly inProgress: number;
  /** lock − inProgress. */
  readonly drift: number;
}

/** Who does the scheduled passes of all hosts, and how far they are. Times in unix s by Redis TIME. */
export interface LeaderStatus {
  /** Host and process of the holder of the lease; undefined where nobody has it. */
  readonly host: string | undefined;
  /** Since when it has it. */
  readonly since: number | undefined;
  readonly isThisOne: boolean;
  /** When the last sweep began; undefined where no host has done one. */
  readonly begun: number | undefined;
  /** Whether it is still going on, or is to be gone on with. */
  readonly isInHand: boolean;
  /** Jobs that it has scanned, and those that were tracked when it began. */
  readonly scanned: number;
  readonly total: number;
  /** The ends of the last passes. */
  readonly ended: number | undefined;
  readonly rescueEnded: number | undefined;
}

/** A namespace at one moment, without a change to it. */
export interface ReaperStatus {
  readonly namespace: string;
  /** Where Redis is, without user and password. */
  readonly redis: string;
  readonly tracked: {
    readonly total: number;
    readonly byStatus: Readonly<Record<string, number>>;
    readonly byVerdict: Readonly<Partial<Record<Verdict, number>>>;
    readonly byReason: Readonly<Partial<Record<Reason, number>>>;
    /** Final jobs that are still tracked only since their last change was given up: they are not in progress. */
    readonly parkedFinal: number;
  };
  /** Changes that receivers have not confirmed. */
  readonly hooks: {
    readonly endpoints: readonly EndpointStatus[];
    readonly pending: number;
    readonly parked: number;
    /** Unix s of the first try of the change that has been undelivered for longest; undefined for none. */
    readonly oldestTry: number | undefined;
  };
  readonly queues: readonly QueueStatus[];
  readonly retry: number;
  readonly scheduled: number;
  readonly dead: number;
  /** Jobs that were taken out of circulation, for their workers died. */
  readonly quarantined: number;
  readonly pools: readonly {
    readonly pool: string;
    readonly isAlive: boolean;
    readonly host: string | undefined;
    /** Age of its heartbeat by Redis TIME, in s; undefined for none. */
    readonly heartbeatAgeS: number | undefined;
    readonly inProgress: number;
  }[];
  readonly leader: LeaderStatus;
  /** Keys that can't be read, and in-progress lists whose names can't: each with what to do. Counted as if empty. */
  readonly unreadable: readonly string[];
  /**
   * Whether the names of all keys were not gone through, for there are too many: in-progress lists of pools or types that
   * nothing else names may be missing.
   */
  readonly isPartial: boolean;
  /** Where the namespace is empty: the form of it, with or without braces, that is not. */
  readonly hint: string | undefined;
}

/** For how long the names of all keys are gone through, in ms. */
const walkFor = 5_000;
/** Job types whose keys are asked for at once. */
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
        heartbeatAgeS: age === undefined ? undefined : Math.round(age / 1_000),
        inProgress: holding.get(pool) ?? 0,
      })),
      leader: await unlessWrongType(leaderOf(lease), noLeader),
      unreadable,
      isPartial: !survey.isComplete,
      hint: isEmpty ? await hintFor(connection, namespace) : undefined,
    };
  };

const nothingTracked: ReaperStatus['tracked'] = { total: 0, byStatus: {}, byVerdict: {}, byReason: {}, parkedFinal: 0 };
const noHooks: ReaperStatus['hooks'] = { endpoints: [], pending: 0, parked: 0, oldestTry: undefined };
const noLeader: LeaderStatus = {
  host: undefined,
  since: undefined,
  isThisOne: false,
  begun: undefined,
  isInHand: false,
  scanned: 0,
  total: 0,
  ended: undefined,
  rescueEnded: undefined,
};

/** All tracked jobs as counts. Maps, for a status that some program wrote may have the name of a method. */
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
    const untold = page.jobs.filter(
      ({ facts }) => isStatus(facts.status) && isFinal(facts.status) && judge(facts, policy).verdict === 'refire',
    );
    const isParked = await unlessWrongType(records.areParked(untold.map(({ facts }) => facts.id)), []);
    const parkedIds = new Set(untold.filter((_, i) => isParked[i]).map(({ facts }) => facts.id));
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
    since: secondsOf(leader?.since),
    isThisOne: leader?.isThisOne === true,
    begun: secondsOf(progress.begun),
    isInHand: progress.isInHand,
    scanned: progress.scanned,
    total: progress.total,
    ended: secondsOf(progress.ended),
    rescueEnded: secondsOf(progress.rescueEnded),
  };
};

const secondsOf = (ms: number | undefined) => (ms === undefined ? undefined : Math.floor(ms / 1_000));

const hooksOf = async (records: HookRecords): Promise<ReaperStatus['hooks']> => {
  const counts = { pending: 0, parked: 0 };
  let oldestTry: number | undefined;
  for await (const page of records.all()) {
    for (const { state, first } of page) {
      counts[state === 'parked' ? 'parked' : 'pending'] += 1;
      if (state !== 'parked' && first !== undefined) oldestTry = Math.min(first, oldestTry ?? first);
    }
  }
  return { endpoints: await records.endpoints(), ...counts, oldestTry };
};

/** Harbor writes its namespace in braces, other users may not: looks whether the other form is the one that is used. */
const hintFor = async ({ redis }: Connection, namespace: string): Promise<string | undefined> => {
  const name = namespace.trim().replace(/:$/, '');
  const other = /^\{.*\}$/.test(name) ? name.slice(1, -1) : `{${name}}`;
  const keys = keysOf(other);
  // A user who may only name the keys of its own namespace gets no hint.
  const found = (await unlessRefused(redis.exists(keys.track, keys.pools, keys.knownJobs))) ?? 0;
  return found > 0 ? `namespace ${namespace} is empty, but ${other} is not: did you mean that one?` : undefined;
};
