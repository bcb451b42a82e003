import { decodeTime } from '../jobs/stats.ts';
import type { Connection } from '../redis/connection.ts';
import type { Keys } from '../redis/keys.ts';
import { createScripts } from '../redis/scripts.ts';
import type { PoolState } from './poolState.ts';

/** What a worker of a pool reports that it runs. */
export interface Observation {
  readonly pool: string;
  readonly worker: string;
  /** Id of the job, `<policy>@<epoch>` for a periodic execution. */
  readonly job: string;
  readonly type: string | undefined;
  /** Unix s; undefined if it is not reported. */
  readonly startedAt: number | undefined;
}

/** How many observations one script reads, and after how many bytes it stops. */
const bounds = { workers: 200, bytes: 500_000 };

/**
 * Reads what the workers of pools run now. Pass live pools only: the observation of a killed worker stays for a day, and is no
 * sign of life.
 *
 * @param onUnreadable called with each key that holds another type. It is unknown what that worker runs.
 */
export const readObservations = async (
  { redis }: Connection,
  keys: Keys,
  pools: readonly Pick<PoolState, 'pool' | 'workerIds'>[],
  onUnreadable: (key: string) => void = () => undefined,
): Promise<Observation[]> => {
  const scripts = createScripts(redis);
  const workers = pools.flatMap(({ pool, workerIds }) => workerIds.map((worker) => ({ pool, worker })));
  const found: Observation[] = [];
  for (let from = 0; from < workers.length; ) {
    const asked = workers.slice(from, from + bounds.workers);
    const { observations } = await scripts.run(
      'read_observations',
      asked.map(({ worker }) => keys.worker(worker)),
      [bounds.bytes],
    );
    from += observations.length;
    for (const [i, observation] of observations.entries()) {
      const { pool, worker } = asked[i] as (typeof asked)[number];
      if (observation === 'unreadable') onUnreadable(keys.worker(worker));
      else if (observation !== '') {
        const [job, type, startedAt] = observation;
        found.push({ pool, worker, job, type: type || undefined, startedAt: decodeTime(startedAt) || undefined });
      }
    }
  }
  return found;
};
