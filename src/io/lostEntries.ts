import { createHash } from 'node:crypto';
import { messageOf } from '../machines/job.ts';
import type { LivePool, LostEntry, Restored } from '../machines/supervisor.ts';
import { type Clock, monotonicOf } from './clock.ts';
import type { Connection } from './connection.ts';
import { jobOf } from './entries.ts';
import type { Keys } from './keys.ts';
import { readObservations } from './observations.ts';
import { type RecoveryLimit, unlessWrongType } from './pools.ts';
import type { Quarantine } from './quarantine.ts';
import { redisTime } from './redisTime.ts';
import { retry } from './retry.ts';
import type { Fence, Scripts } from './scripts.ts';

/** What looks lost and is left where it is, and why. */
export interface LeftAlone {
  readonly pool: string;
  /** Undefined where it is the whole pool. */
  readonly id?: string;
  readonly type?: string;
  readonly reason: string;
}

export interface LostEntries {
  /**
   * One look at the in-progress lists of live pools. What no worker of its pool has been seen to run, at every look for
   * long enough, goes back into its queue; with `plan` it is only counted.
   */
  restore(
    live: readonly LivePool[],
    options: { readonly plan: boolean; readonly fence?: Fence | undefined },
  ): Promise<Restored>;
}

/** An entry that no worker observes. */
interface Note {
  /** The first look at which that was so, in monotonic ms. */
  readonly since: number;
  /** Number of the troubles with Redis by then: after another one, nothing that was seen before counts. */
  readonly trouble: number;
  readonly isUndecided: boolean;
}
interface Unobserved {
  readonly key: string;
  readonly note: Note;
  readonly isDue: boolean;
  readonly pool: LivePool;
  readonly type: string;
  readonly id: string;
  readonly entry: string;
}

/** How many entries of a list are looked at, the oldest first: a healthy one has as many as its pool has workers. */
const mostOfList = 1_000;
/** Pools that a result names at the most. */
const mostNamed = 20;
/** For how long a pool counts as one that observes, and how often that is written down. In s. */
const keepObserved = 7 * 86_400;
const renewObserved = 3_600;
/** Pools that one renewal forgets at the most. */
const trimAtOnce = 100;

/**
 * Finds entries that are lost on live pools (defect 7): the reply of a fetch got lost, so that the entry is held, and
 * counted, by a pool none of whose workers knows of it. One look proves nothing, for a worker says what it runs a second
 * after it has taken it. It remembers only what is unobserved now: what is observed or gone at any look is forgotten.
 */
export const createLostEntries = ({
  connection,
  keys,
  scripts,
  heartbeatAge,
  lostAfter,
  batch,
  recovery,
  quarantine,
  clock,
  trouble,
  onLeftAlone,
}: {
  connection: Connection;
  keys: Keys;
  scripts: Scripts;
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  /** For how long an entry has to be unobserved, in ms. */
  lostAfter: number;
  /** How many entries one look puts back at the most. */
  batch: number;
  recovery: RecoveryLimit;
  /** Takes what was recovered too often. */
  quarantine: Pick<Quarantine, 'take'>;
  clock: Clock;
  /** How often there has been trouble with Redis, in which workers could not say what they run. */
  trouble: () => number;
  /** Told once for each entry or pool, for as long as it stays so. */
  onLeftAlone: (what: LeftAlone) => void;
}): LostEntries => {
  const { redis } = connection;
  let notes = new Map<string, Note>();
  /** Pools of which a worker was observed → when that was written down, in monotonic ms; −Infinity for not yet. */
  let observing = new Map<string, number>();
  /** Pools that never observe anything, and have been told of. */
  let reported = new Set<string>();
  /** The trouble at the last look, and the Redis second at which it was seen; 0 for before the first look. */
  let lastTrouble = { number: trouble(), at: 0 };

  const now = async () => Math.floor((await redisTime(redis)) / 1_000);

  /** The lists of live pools as they stand, each entry once. */
  const readLists = (live: readonly LivePool[]) =>
    Promise.all(
      live.flatMap((pool) =>
        pool.types.map(async (type) => {
          const list = redis.lrange(keys.inProgress(type, pool.pool), -mostOfList, -1);
          return { pool, type, entries: new Set(await unlessWrongType(list, [])) };
        }),
      ),
    );

  /** Notes which pools write observations, so that it survives a restart: a pool that never does can't be judged. */
  const markObserving = async (pools: ReadonlySet<string>, live: readonly LivePool[], plan: boolean) => {
    const written = new Map<string, number>();
    for (const { pool } of live) {
      const at = observing.get(pool) ?? (pools.has(pool) ? Number.NEGATIVE_INFINITY : undefined);
      if (at !== undefined) written.set(pool, at);
    }
    observing = written;
    const due = [...pools].filter(
      (pool) => monotonicOf(clock) - (written.get(pool) as number) >= 1_000 * renewObserved,
    );
    if (plan || due.length === 0) return;
    const at = await now();
    await redis.zadd(keys.observed, ...due.flatMap((pool) => [at, pool]));
    const old = await redis.zrangebyscore(keys.observed, '-inf', at - keepObserved, 'LIMIT', 0, trimAtOnce);
    if (old.length > 0) await redis.zrem(keys.observed, ...old);
    await redis.expire(keys.observed, keepObserved);
    for (const pool of due) written.set(pool, monotonicOf(clock));
  };

  /** Those of the pools whose workers were never seen to say what they run. */
  const findSilent = async (pools: ReadonlySet<string>): Promise<Set<string>> => {
    const unknown = [...pools].filter((pool) => !observing.has(pool));
    const scores = await Promise.all(unknown.map((pool) => redis.zscore(keys.observed, pool)));
    return new Set(unknown.filter((_, i) => scores[i] === null));
  };

  /** The Redis second before which an observation may have got lost: its own start, or the last trouble. */
  const lossOfObservations = async (): Promise<number> => {
    const [time, info] = await Promise.all([now(), redis.info('server')]);
    const uptime = Number(/uptime_in_seconds:(\d+)/.exec(info)?.[1] ?? 0);
    return Math.max(time - uptime, lastTrouble.at);
  };

  const putBack = ({ pool, type, id, entry }: Unobserved, since: number, plan: boolean, fence: Fence | undefined) =>
    retry(clock, () =>
      scripts.run<'lost' | 'dead' | 'changed' | 'gone' | 'observed' | 'undecided' | 'poison'>(
        'put_back',
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
          ...pool.workerIds.map(keys.worker),
        ],
        [
          pool.pool,
          heartbeatAge,
          entry,
          plan ? 'plan' : 'act',
          since,
          recovery.most,
          recovery.windowS,
          ...pool.workerIds,
        ],
        fence,
      ),
    );

  return {
    async restore(live, { plan, fence }) {
      const at = monotonicOf(clock);
      const number = trouble();
      if (lastTrouble.number !== number) lastTrouble = { number, at: await now() };
      const [lists, observations] = await Promise.all([readLists(live), readObservations(connection, keys, live)]);
      const observed = new Map<string, Set<string>>();
      for (const { pool, job } of observations) observed.set(pool, (observed.get(pool) ?? new Set()).add(job));
      await markObserving(new Set(observed.keys()), live, plan);

      const unobserved = lists.flatMap(({ pool, type, entries }) =>
        [...entries].flatMap((entry): Unobserved[] => {
          const id = jobOf(entry);
          if (id === undefined || isObserved(id, observed.get(pool.pool))) return [];
          const key = `${keys.inProgress(type, pool.pool)} ${createHash('sha1').update(entry).digest('base64')}`;
          const known = notes.get(key);
          const isKnown = known?.trouble === number;
          const note = isKnown ? known : { since: at, trouble: number, isUndecided: false };
          return [{ key, note, isDue: isKnown && at - known.since >= lostAfter, pool, type, id, entry }];
        }),
      );
      notes = new Map(unobserved.map(({ key, note }) => [key, note]));

      const silent = await findSilent(new Set(unobserved.map(({ pool }) => pool.pool)));
      const judged = unobserved.filter(({ pool }) => !silent.has(pool.pool));
      const waiting = judged.filter(({ isDue }) => !isDue).map(({ note }) => Math.max(0, note.since + lostAfter - at));
      const left = new Set(
        unobserved.filter(({ pool, isDue }) => isDue && silent.has(pool.pool)).map((u) => u.pool.pool),
      );
      for (const pool of left) {
        if (!reported.has(pool)) onLeftAlone({ pool, reason: 'its workers have never said what they run' });
      }
      reported = left;

      // Those that could not be decided at an earlier look come last, so that they keep no other from its turn.
      const due = judged
        .filter(({ isDue }) => isDue)
        .sort((a, b) => Number(a.note.isUndecided) - Number(b.note.isUndecided))
        .slice(0, batch);
      const result = {
        unobserved: [...left].slice(0, mostNamed),
        dueInMs: waiting.length === 0 ? undefined : Math.max(...waiting),
      };
      const lost: LostEntry[] = [];
      let undecided = 0;
      let quarantined = 0;
      try {
        const since = due.length === 0 ? 0 : await lossOfObservations();
        for (const one of due) {
          const { key, note, pool, type, id, entry } = one;
          const reply = await putBack(one, since, plan, fence);
          if (reply === 'undecided') {
            undecided += 1;
            if (!note.isUndecided)
              onLeftAlone({ pool: pool.pool, type, id, reason: 'nothing says that it does not run' });
            notes.set(key, { ...note, isUndecided: true });
          } else if (reply === 'poison' && !plan) {
            const taken = await quarantine.take({ pool: pool.pool, heartbeat: '', fence }, type, id, entry);
            if (taken === 'quarantined') quarantined += 1;
          } else if (reply === 'lost') {
            lost.push({ id, type, pool: pool.pool, unobservedS: Math.round((at - note.since) / 1_000), plan });
            if (!plan) notes.delete(key);
          }
        }
      } catch (error) {
        return { ...result, lost, undecided, quarantined, error: messageOf(error) }; // What is lost still is found by the next look.
      }
      return { ...result, lost, undecided, quarantined };
    },
  };
};

/** An observation of a policy, whose host says nothing of which execution, may be of any. */
const isObserved = (id: string, observed: ReadonlySet<string> = new Set()): boolean =>
  observed.has(id) || observed.has(id.slice(0, Math.max(0, id.lastIndexOf('@'))));
