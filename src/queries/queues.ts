import { readQueue } from '../io/jobs/queue.ts';
import type { Registry } from '../io/pools/registry.ts';
import type { Pools } from '../io/pools/rescue.ts';
import type { Deps } from '../io/redis/deps.ts';
import { keysOf } from '../io/redis/keys.ts';
import { inChunks, readHash } from '../io/redis/paged.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';
import { isoOfSecond } from '../isoTime.ts';
import { countIn } from '../machines/counts.ts';
import { shellQuoted } from '../shell.ts';
import type { Held } from './held.ts';

/** A job type: its queue, its counters, and who takes it. */
export interface QueueStatus {
  readonly type: string;
  readonly queued: number;
  /** The entry that waits longest: the id of its job and its time; undefined if there is none, or if the entry does not say. */
  readonly oldestId: string | undefined;
  readonly oldestAt: string | undefined;
  /** Below 0 if its time is ahead of the clock of Redis. */
  readonly oldestAgeMs: number | undefined;
  readonly isPaused: boolean;
  /** Cap on running jobs; 0 for none. */
  readonly maxConcurrency: number;
  readonly lock: number;
  readonly lockInfo: number;
  /** Entries in the in-progress lists of all pools. Both counters should be equal to it. */
  readonly inProgress: number;
  /** Those of live pools. */
  readonly running: number;
  /** lock − inProgress. */
  readonly drift: number;
  /** The sum of the errors in the fields of lock_info. */
  readonly lockInfoDrift: number;
  /** Live pools that take jobs of this type. A pool that does not say what it takes may take it. */
  readonly livePools: number;
}

/** Whether the lock keeps the jobs of a type from running, although fewer jobs run than its cap allows. */
export const isBlockedByLock = ({
  maxConcurrency,
  lock,
  running,
}: Pick<QueueStatus, 'maxConcurrency' | 'lock' | 'running'>): boolean =>
  maxConcurrency > 0 && lock >= maxConcurrency && running < maxConcurrency;

/** Whether a type runs as many jobs as its cap allows. */
export const isAtCap = (queue: Pick<QueueStatus, 'maxConcurrency' | 'lock' | 'running'>): boolean =>
  queue.maxConcurrency > 0 && queue.lock >= queue.maxConcurrency && !isBlockedByLock(queue);

/** The command that resumes a paused type: neither the reaper nor the jobservice has one. */
export const unpauseCommand = ({ namespace, redis }: { namespace: string; redis: string }, type: string): string => {
  const [, database = '0'] = /\/(\d+)$/.exec(redis) ?? [];
  return `redis-cli${database === '0' ? '' : ` -n ${database}`} DEL ${shellQuoted(keysOf(namespace).paused(type))}`;
};

/** Job types that are read at the same time. */
const typesAtOnce = 100;

/**
 * Reads the queues of these types, sorted by type. Counters and lists that are read one after the other differ while jobs start and
 * end. Where they do, they are read again in one step, as a rescue reads them.
 */
export const createQueueReader =
  ({
    connection,
    keys,
    scripts,
    pools,
  }: Pick<Deps, 'connection' | 'keys' | 'scripts'> & { pools: Pick<Pools, 'recount'> }) =>
  async (
    types: readonly string[],
    { pools: states, lists }: Pick<Registry, 'pools' | 'lists'>,
    held: Held,
    time: number,
  ): Promise<QueueStatus[]> => {
    const { redis } = connection;
    const takers = takersOf(states);
    const textAt = async (key: string) => (await unlessWrongType(redis.get(key), null)) ?? '';
    const read = async (type: string): Promise<QueueStatus> => {
      const [{ length, oldestId, oldestAt }, paused, cap, lockText, counts] = await Promise.all([
        readQueue(scripts, keys, type),
        redis.exists(keys.paused(type)),
        textAt(keys.maxConcurrency(type)),
        textAt(keys.lock(type)),
        unlessWrongType(readHash(connection, keys.lockInfo(type)), new Map<string, string>()),
      ]);
      const { inProgress, running } = held.ofType(type);
      const lockInfo = [...counts.values()].reduce((sum, text) => sum + countIn(text), 0);
      const [maxConcurrency, lock] = [Number(cap) || 0, countIn(lockText)];
      return {
        ...{ type, queued: length, oldestId },
        oldestAt: oldestAt === undefined ? undefined : isoOfSecond(oldestAt),
        oldestAgeMs: oldestAt === undefined ? undefined : time - 1_000 * oldestAt,
        ...{ isPaused: paused === 1, maxConcurrency, lock, lockInfo, inProgress, running },
        drift: lock - inProgress,
        lockInfoDrift: Math.abs(lockInfo - inProgress),
        livePools: takers(type),
      };
    };
    const queues = await inChunks(types, read, typesAtOnce);
    const unequal = queues.filter(({ drift, lockInfoDrift }) => drift !== 0 || lockInfoDrift !== 0);
    const corrected = await recount(unequal, lists, pools);
    return queues.map((queue) => corrected.get(queue.type) ?? queue).sort((a, b) => (a.type < b.type ? -1 : 1));
  };

/** How many live pools take a job type. */
const takersOf = (states: Registry['pools']): ((type: string) => number) => {
  const live = states.filter(({ isAlive }) => isAlive);
  const ofAny = live.filter(({ jobNames }) => jobNames.length === 0).length;
  const takers = new Map<string, number>();
  for (const { jobNames } of live) {
    for (const type of new Set(jobNames)) takers.set(type, (takers.get(type) ?? 0) + 1);
  }
  return (type) => ofAny + (takers.get(type) ?? 0);
};

/** Job type → its queue with the counters and lists of one moment. Types whose counters cannot be read are left out. */
const recount = async (
  queues: readonly QueueStatus[],
  lists: Registry['lists'],
  pools: Pick<Pools, 'recount'>,
): Promise<ReadonlyMap<string, QueueStatus>> => {
  if (queues.length === 0) return new Map();
  const types = queues.map(({ type }) => type);
  const { drift, locks, unreadable } = await pools.recount(types, { lists, plan: true });
  const driftOf = new Map(drift.map((one) => [one.type, one]));
  const known = queues.filter(({ type }) => driftOf.has(type) || unreadable.length === 0);
  return new Map(
    known.map((queue) => {
      const [lock, inProgress] = (locks.get(queue.type) ?? ['0', '0']).map(countIn) as [number, number];
      const ofDeadPools = queue.inProgress - queue.running;
      return [
        queue.type,
        {
          ...{ ...queue, lock, inProgress, drift: lock - inProgress },
          running: Math.max(0, inProgress - ofDeadPools),
          lockInfoDrift: driftOf.get(queue.type)?.size.lockInfo ?? 0,
        },
      ];
    }),
  );
};
