import type { Connection } from '../redis/connection.ts';
import type { Keys } from '../redis/keys.ts';
import { createScripts } from '../redis/scripts.ts';
import type { PoolState } from './rescue.ts';

/** What a worker of a pool says that it runs. */
export interface Observation {
  readonly pool: string;
  readonly worker: string;
  /** Id of the job, `<policy>@<epoch>` for a periodic execution. */
  readonly job: string;
  readonly type: string | undefined;
  /** Unix s; undefined where it is not said. */
  readonly startedAt: number | undefined;
}

/** Observations that one script reads, and bytes of them after which it reads no further one. */
const bounds = { workers: 200, bytes: 500_000 };

/**
 * Reads what the workers of pools run now. A killed worker's observation stays for a day: only those of the worker ids in
 * live heartbeats are signs of life, so give live pools.
 *
 * @param onUnreadable told each key that is not what it should be: nobody knows what that worker runs.
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
    const replies = await scripts.run(
      'read_observations',
      asked.map(({ worker }) => keys.worker(worker)),
      [bounds.bytes],
    );
    from += replies.length;
    for (const [i, reply] of replies.entries()) {
      const { pool, worker } = asked[i] as (typeof asked)[number];
      if (reply === 'unreadable') onUnreadable(keys.worker(worker));
      else if (reply !== '') {
        const [job, type, startedAt] = reply;
        found.push({ pool, worker, job, type: type || undefined, startedAt: Number(startedAt) || undefined });
      }
    }
  }
  return found;
};
