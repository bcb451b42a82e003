import { type Observation, readObservations } from '../io/pools/observations.ts';
import type { PoolState } from '../io/pools/poolState.ts';
import { createReportingPools } from '../io/pools/reportingPools.ts';
import type { Deps } from '../io/redis/deps.ts';
import { inChunks, readHash } from '../io/redis/paged.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';
import type { ScheduleSettings } from '../options/schedule.ts';
import type { Held } from './held.ts';

/** A worker pool, as its heartbeat and its workers describe it. */
export interface PoolStatus {
  readonly pool: string;
  readonly isAlive: boolean;
  readonly host: string | undefined;
  readonly pid: number | undefined;
  /** Age of its heartbeat by Redis TIME, in ms; negative if it is ahead; undefined if there is none. */
  readonly heartbeatAgeMs: number | undefined;
  /** Job types that it takes. */
  readonly jobTypes: readonly string[];
  /** How many jobs it runs at most; undefined if it does not say. */
  readonly concurrency: number | undefined;
  /** Workers that are observed to run a job; 0 for a dead pool. */
  readonly busy: number;
  readonly inProgress: number;
  /**
   * Entries of a live pool that look orphaned: those that exceed its concurrency, or those that no worker was observed to run for
   * `rescue.orphanedAfter`, as far as rescue passes have recorded that.
   */
  readonly orphaned: number;
}

/** Reads what the heartbeats do not say of these pools. */
export const createPoolReader = ({
  connection,
  keys,
  clock,
  settings,
}: Pick<Deps, 'connection' | 'keys' | 'clock'> & {
  /** Read at each use: the interval may change. */
  settings: Pick<ScheduleSettings['rescue'], 'interval' | 'grace' | 'orphanedAfter'>;
}) => {
  const reporting = createReportingPools({ connection, keys, clock });
  return async (states: readonly PoolState[], held: Held, time: number): Promise<PoolStatus[]> => {
    const live = states.filter(({ isAlive }) => isAlive);
    const silent = await reporting.silentOf(new Set(live.map(({ pool }) => pool)));
    const busy = busyOf(await readObservations(connection, keys, live));
    const hashAt = (key: string) => unlessWrongType(readHash(connection, key), new Map<string, string>());

    /** Entries that stayed unobserved until the last rescue pass. Where no worker says what it runs, that means nothing. */
    const unobserved = async (pool: string): Promise<number> => {
      if (silent.has(pool)) return 0;
      const [workers, entries] = await Promise.all([hashAt(keys.workerRecords(pool)), hashAt(keys.unobserved(pool))]);
      const at = Number(workers.get('at') ?? 0);
      // The next pass replaces the records of a rescue pass.
      if (time - at > 2 * settings.interval + settings.grace) return 0;
      return [...entries.values()].filter((text) => at - Number(text.split(' ')[0]) >= settings.orphanedAfter).length;
    };

    return inChunks(states, async ({ pool, isAlive, host, pid, age, jobNames, concurrency, workerIds }) => {
      const inProgress = held.ofPool(pool);
      const limit = concurrency ?? (workerIds.length || undefined);
      const excess = limit === undefined ? 0 : Math.max(0, inProgress - limit);
      return {
        ...{ pool, isAlive, host, pid, jobTypes: jobNames, concurrency: limit, inProgress },
        heartbeatAgeMs: age === undefined ? undefined : Math.round(age),
        busy: busy.get(pool) ?? 0,
        orphaned: isAlive && inProgress > 0 ? Math.max(excess, await unobserved(pool)) : 0,
      };
    });
  };
};

/** Pool → how many of its workers run a job. */
const busyOf = (observations: readonly Observation[]): ReadonlyMap<string, number> => {
  const busy = new Map<string, number>();
  for (const { pool } of observations) busy.set(pool, (busy.get(pool) ?? 0) + 1);
  return busy;
};
