import { messageOf } from '../../machines/job.ts';
import { FencedError } from '../../machines/lease.ts';
import type { PoisonEntry } from '../../machines/rescueChanges.ts';
import type { FinishedEntry, LivePool, OrphanedEntry, Restored } from '../../machines/supervisor.ts';
import { clockOverride } from '../clock.ts';
import { retry } from '../hooks/retry.ts';
import type { Deps } from '../redis/deps.ts';
import { kindOfRedisError } from '../redis/errors.ts';
import { inChunks } from '../redis/paged.ts';
import { callOnce, type Fence } from '../redis/scripts.ts';
import { findWrongTyped } from '../redis/wrongTypes.ts';
import { type HeldEntry, readHeldEntries } from './heldEntries.ts';
import { readObservations } from './observations.ts';
import { createObservingPools } from './observingPools.ts';
import { createPoolLooks } from './poolLooks.ts';
import type { Quarantine } from './quarantine.ts';
import type { RecoveryLimit } from './rescue.ts';
import { findStaleEntries, finishStaleEntry } from './staleEntries.ts';

/** What looks orphaned and is left where it is, and why. */
export interface LeftAlone {
  readonly pool: string;
  /** Undefined where it is the whole pool, or an entry whose id can't be read. */
  readonly id?: string;
  /** Undefined where it is the whole pool. */
  readonly type?: string;
  /** For how long it has been unobserved, in s. */
  readonly ageS?: number;
  readonly reason: string;
}

export interface Orphans {
  /**
   * One look at the in-progress lists of live pools. What is proven to be orphaned goes back into its queue; what a job's
   * Success proves to be over is removed. With `plan` both are only counted.
   */
  restore(
    live: readonly LivePool[],
    options: { readonly plan: boolean; readonly fence?: Fence | undefined },
  ): Promise<Restored>;
}

/** An entry that no worker observes. */
interface Unobserved extends HeldEntry {
  /** Since when, and the time of this look, in ms by the clock of Redis. */
  readonly since: number;
  readonly at: number;
  readonly isProvable: boolean;
  readonly memoryOf: (field: string) => string;
}

/** By how much our clock may be ahead of that of Redis when a wait is over, in ms: a look must not come a moment too early. */
const earliness = 50;
const noInfo = 'the Redis user of the reaper may not run INFO, so no restart would be seen: allow it (+info)';
/** Pools that a result names at most. */
const maxNamed = 20;

/**
 * Finds entries that are orphaned on live pools (defect 7): the reply of a fetch got lost, so that the entry is held, and
 * counted, by a pool none of whose workers knows of it. One look proves nothing, and neither does silence: `requeue_orphan` decides,
 * by what stands in Redis.
 */
export const createOrphans = ({
  connection,
  keys,
  scripts,
  heartbeatAge,
  orphanedAfter,
  batch,
  recovery,
  quarantine,
  clock,
  onLeftAlone,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  /** For how long an entry has to be unobserved, in ms. */
  orphanedAfter: number;
  /** How many entries one look requeues at most. */
  batch: number;
  recovery: RecoveryLimit;
  /** Takes what was recovered too often. */
  quarantine: Pick<Quarantine, 'take' | 'usesOf'>;
  /** Called once for each entry or pool, for as long as it stays so. */
  onLeftAlone: (what: LeftAlone) => void;
}): Orphans => {
  const looks = createPoolLooks({ connection, keys, scripts, clock });
  const observing = createObservingPools({ connection, keys, clock });
  /** Entries and pools that were reported as left alone: reported once, and judged after all others. */
  let undecided = new Set<string>();
  let leftBefore: ReadonlyMap<string, string> = new Map();

  /** A plan keeps no answer: it may run as a user who may not write. */
  const onceUnless = (plan: boolean) => (plan ? undefined : callOnce(keys));

  const finish = async (held: readonly HeldEntry[], plan: boolean, fence: Fence | undefined, fail: Fail) => {
    const known = held.filter(({ fault }) => fault === undefined);
    const stale = await findStaleEntries(connection, keys, known);
    const finished: FinishedEntry[] = [];
    for (const one of stale.slice(0, batch)) {
      const { pool, type, id } = one.held;
      await fail.unless(async () => {
        const change = onceUnless(plan);
        const reply = await retry(clock, () => finishStaleEntry(scripts, keys, heartbeatAge, one, plan, fence, change));
        if (reply === 'finished') finished.push({ id, type, pool: pool.pool, endedS: one.endedS, plan });
      });
    }
    return { finished, stale: new Set(stale.map((one) => one.held)) };
  };

  /** Looks at each pool by itself: one whose records can't be used keeps no other from its look. */
  const lookAt = async (live: readonly LivePool[], entries: readonly HeldEntry[], plan: boolean, fail: Fail) => {
    const ofPool = new Map<LivePool, HeldEntry[]>();
    for (const entry of entries) {
      const held = ofPool.get(entry.pool);
      if (held === undefined) ofPool.set(entry.pool, [entry]);
      else held.push(entry);
    }
    const found = await inChunks(live, async (pool): Promise<Unobserved[]> => {
      const held = ofPool.get(pool) ?? [];
      const result = await fail.unless(async () => {
        await looks.keepOnly(pool.pool, held, plan);
        return held.length === 0 ? undefined : looks.look(pool.pool, pool.workerIds, held, plan);
      });
      if (result === undefined) return [];
      const { at, since, ...rest } = result;
      return held.map((entry) => ({ ...entry, ...rest, at, since: since.get(entry.field) ?? at }));
    });
    return found.flat();
  };

  const putBack = ({ pool, type, id, place, field, memoryOf }: Unobserved, plan: boolean, fence: Fence | undefined) => {
    const change = onceUnless(plan);
    return retry(clock, () =>
      scripts.run(
        'requeue_orphan',
        [
          keys.pools,
          keys.heartbeat(pool.pool),
          keys.inProgress(type, pool.pool),
          keys.queue(type),
          keys.lock(type),
          keys.lockInfo(type),
          keys.stats(id),
          keys.recoveries,
          keys.recovered,
          keys.quarantine,
          keys.dead,
          keys.beforeQuarantine(id),
          keys.workerRecords(pool.pool),
          keys.unobserved(pool.pool),
          ...pool.workerIds.map(keys.worker),
        ],
        [
          pool.pool,
          heartbeatAge,
          place,
          plan ? 'plan' : 'act',
          id,
          field,
          orphanedAfter,
          clockOverride(clock),
          recovery.most,
          recovery.windowS,
          memoryOf(field),
          pool.moving ?? '',
          ...pool.workerIds,
          pool.pass ?? '',
        ],
        fence,
        change,
      ),
    );
  };

  /** Reports pools that are left alone as a whole, with the reason. */
  const reportPools = (pools: ReadonlyMap<string, string>) => {
    for (const [pool, reason] of pools) if (leftBefore.get(pool) !== reason) onLeftAlone({ pool, reason });
    leftBefore = pools;
  };

  /** Judges entries that have been unobserved for long enough. */
  const judge = async (due: readonly Unobserved[], plan: boolean, fence: Fence | undefined, fail: Fail) => {
    const lost: OrphanedEntry[] = [];
    const stillUndecided = new Set<string>();
    const poison: PoisonEntry[] = [];
    let oldest = 0;
    const judgeOne = async (one: Unobserved) => {
      const { pool, type, id, fault, place } = one;
      const ageS = Math.round((one.at - one.since) / 1_000);
      const reply = fault === undefined ? await putBack(one, plan, fence) : 'undecided';
      if (reply === 'lost') lost.push({ id, type, pool: pool.pool, unobservedS: ageS, plan });
      if (reply === 'poison') {
        const isTaken = plan
          ? (await findWrongTyped(connection.redis, await quarantine.usesOf(id))).length === 0
          : (await quarantine.take({ ...pool, heartbeat: '', fence }, type, id, place)) === 'quarantined';
        if (isTaken) poison.push({ id, type, pool: pool.pool });
      }
      if (reply !== 'undecided') return;
      const key = keyOf(one);
      stillUndecided.add(key);
      oldest = Math.max(oldest, ageS);
      if (undecided.has(key)) return;
      const faults =
        fault === undefined
          ? await findWrongTyped(connection.redis, [
              [keys.stats(id), 'hash'],
              ...pool.workerIds.map((worker) => [keys.worker(worker), 'hash'] as const),
            ])
          : [fault];
      const reason = faults.length > 0 ? faults.join('; ') : 'nothing proves that no worker runs it';
      onLeftAlone({ pool: pool.pool, ...(id === '' ? {} : { id }), type, ageS, reason });
    };
    // Those that could not be decided before come last, so that they keep no other from its turn.
    const sorted = due.toSorted((a, b) => Number(undecided.has(keyOf(a))) - Number(undecided.has(keyOf(b))));
    for (const one of sorted.slice(0, batch)) await fail.unless(() => judgeOne(one));
    const rest = sorted.slice(batch).map(keyOf);
    undecided = new Set([...stillUndecided, ...rest.filter((key) => undecided.has(key))]);
    return { lost, undecided: undecided.size, oldestUndecidedS: oldest, poison };
  };

  return {
    async restore(live, { plan, fence }) {
      const fail = createFail();
      looks.begin(live);
      const [held, observations] = await Promise.all([
        readHeldEntries(connection, keys, live),
        readObservations(connection, keys, live),
      ]);
      const observed = new Map<string, Set<string>>();
      for (const { pool, job } of observations) observed.set(pool, (observed.get(pool) ?? new Set()).add(job));
      await fail.unless(() => observing.mark(new Set(observed.keys()), live, plan));

      const { finished, stale } = await finish(held, plan, fence, fail);
      const unobserved = await lookAt(
        live,
        held.filter((entry) => !stale.has(entry) && !isObserved(entry.id, observed.get(entry.pool.pool))),
        plan,
        fail,
      );
      const silent = await observing.silentOf(new Set(unobserved.map(({ pool }) => pool.pool)));
      const isDue = ({ at, since }: Unobserved) => at - since >= orphanedAfter;
      const left = new Set(unobserved.filter((one) => isDue(one) && silent.has(one.pool.pool)).map((u) => u.pool.pool));
      const spoken = unobserved.filter(({ pool }) => !silent.has(pool.pool));
      const unprovable = spoken.filter(({ isProvable }) => !isProvable);
      reportPools(
        new Map([
          ...[...left].map((pool) => [pool, 'its workers have never said what they run'] as const),
          ...unprovable.map(({ pool }) => [pool.pool, noInfo] as const),
        ]),
      );
      const judged = spoken.filter(({ isProvable }) => isProvable);
      const waiting = judged.filter((one) => !isDue(one)).map(({ at, since }) => since + orphanedAfter - at);
      const result = await judge(judged.filter(isDue), plan, fence, fail);
      return {
        ...result,
        undecided: result.undecided + unprovable.length,
        finished,
        unobserved: [...left].slice(0, maxNamed),
        dueInMs:
          waiting.length === 0 ? undefined : Math.max(...waiting) + (clockOverride(clock) === '' ? earliness : 0),
        ...(fail.first === undefined ? {} : { error: fail.first }),
      };
    },
  };
};

/**
 * Keeps the first error of several steps. One that is about a key, or a right, leaves the other steps to go on; after one
 * that the others would meet too, none is begun. What is left is found by the next look.
 */
interface Fail {
  readonly first: string | undefined;
  unless<T>(step: () => Promise<T>): Promise<T | undefined>;
}
const createFail = (): Fail => {
  let first: string | undefined;
  let isOver = false;
  return {
    get first() {
      return first;
    },
    async unless(step) {
      if (isOver) return undefined;
      try {
        return await step();
      } catch (error) {
        first ??= messageOf(error);
        isOver ||= error instanceof FencedError || ['transient', 'refused'].includes(kindOfRedisError(error));
        return undefined;
      }
    },
  };
};

const keyOf = ({ pool, field }: HeldEntry) => `${pool.pool} ${field}`;

/** An observation of a policy, whose host says nothing of which execution, may be of any. */
const isObserved = (id: string, observed: ReadonlySet<string> = new Set()): boolean =>
  observed.has(id) || observed.has(id.slice(0, Math.max(0, id.lastIndexOf('@'))));
