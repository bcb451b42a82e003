import type { Connection } from '../redis/connection.ts';
import type { Keys } from '../redis/keys.ts';
import { inChunks } from '../redis/paged.ts';
import type { ChangeOnce, Scripts } from '../redis/scripts.ts';
import { redisTime } from '../redis/time.ts';
import type { HeldEntry } from './heldEntries.ts';
import { unlessWrongType } from './rescue.ts';

/** An entry whose job's Success proves it stale, and the facts that were judged. */
export interface StaleEntry {
  readonly held: HeldEntry;
  readonly updateTime: string;
  readonly revision: string;
  readonly endedS: number;
}

/** For how long a job has to be in Success, in s: a worker finishes its entry at once. */
const minEndedS = 60;

/** Those of the entries whose jobs ended in Success long enough ago, observed or not. */
export const findStaleEntries = async (
  { redis }: Connection,
  keys: Keys,
  held: readonly HeldEntry[],
): Promise<StaleEntry[]> => {
  if (held.length === 0) return [];
  const [time, stats] = await Promise.all([
    redisTime(redis),
    inChunks(held, ({ id }) => unlessWrongType(redis.hmget(keys.stats(id), 'status', 'update_time', 'revision'), [])),
  ]);
  return held.flatMap((entry, i) => {
    const [status, updateTime, revision] = stats[i] as (string | null)[];
    const endedS = Math.floor(time / 1_000) - Number(updateTime || Number.NaN);
    if (status !== 'Success' || !(endedS >= minEndedS)) return [];
    return [{ held: entry, updateTime: updateTime as string, revision: revision ?? '', endedS }];
  });
};

/** Removes such an entry, if all is still as it was judged. */
export const finishStaleEntry = (
  scripts: Scripts,
  keys: Keys,
  heartbeatAge: number,
  { held: { pool, type, id, place }, updateTime, revision }: StaleEntry,
  plan: boolean,
  fence: Parameters<Scripts['run']>[3],
  change?: ChangeOnce,
): Promise<'finished' | 'dead' | 'gone' | 'overtaken'> =>
  scripts.run(
    'finish_entry',
    [
      keys.pools,
      keys.heartbeat(pool.pool),
      keys.inProgress(type, pool.pool),
      keys.lock(type),
      keys.lockInfo(type),
      keys.stats(id),
      ...pool.workerIds.map(keys.worker),
    ],
    [pool.pool, heartbeatAge, place, plan ? 'plan' : 'act', id, updateTime, revision, minEndedS, pool.moving ?? ''],
    fence,
    change,
  );
