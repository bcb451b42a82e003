import type { Connection } from './connection.ts';
import { observedJobOf } from './entries.ts';
import type { Keys } from './keys.ts';
import { inChunks } from './paged.ts';
import type { PoolState } from './pools.ts';
import { isWrongType } from './redisErrors.ts';

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
  const workers = pools.flatMap(({ pool, workerIds }) => workerIds.map((worker) => ({ pool, worker })));
  const replies = await inChunks(workers, ({ worker }) =>
    redis
      .hmget(keys.worker(worker), 'job_id', 'job_name', 'started_at', 'args')
      .catch((error: Error): (string | null)[] => {
        if (!isWrongType(error)) throw error;
        onUnreadable(keys.worker(worker));
        return [];
      }),
  );
  return workers.flatMap(({ pool, worker }, i) => {
    const [id, type, startedAt, args] = replies[i] as (string | null)[];
    const job = id ? observedJobOf(id, args ?? '') : undefined;
    if (job === undefined) return [];
    return [{ pool, worker, job, type: type || undefined, startedAt: Number(startedAt) || undefined }];
  });
};
