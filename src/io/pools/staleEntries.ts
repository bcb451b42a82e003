import type { Connection } from '../redis/connection.ts';
import type { Keys } from '../redis/keys.ts';
import { inChunks } from '../redis/paged.ts';
import type { ChangeOnce, ReplyOf, Scripts } from '../redis/scripts.ts';
import { redisTime } from '../redis/time.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';
import type { HeldEntry } from './heldEntries.ts';

/** An entry that is stale because its job has succeeded, and the facts that prove it. */
export interface StaleEntry {
  readonly held: HeldEntry;
  readonly updateTime: string;
  readonly revision: string;
  readonly endedS: number;
}

/** How long a job must be in Success, in s. A worker finishes its entry right after writing that status. */
const minEndedS = 60;

/** Finds the entries whose jobs have been in Success long enough, whether or not a worker is observed with them. */
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

/** Removes a stale entry as its worker would have, if the judged facts still hold. */
export const finishStaleEntry = (
  scripts: Scripts,
  keys: Keys,
  heartbeatAge: number,
  { held: { pool, type, id, place }, updateTime, revision }: StaleEntry,
  plan: boolean,
  fence: Parameters<Scripts['run']>[3],
  change: ChangeOnce | undefined,
): Promise<ReplyOf<'finish_entry'>> => {
  const scriptKeys = [
    keys.pools,
    keys.heartbeat(pool.pool),
    keys.inProgress(type, pool.pool),
    keys.lock(type),
    keys.lockInfo(type),
    keys.stats(id),
    ...pool.workerIds.map(keys.worker),
  ];
  const args = [pool.pool, heartbeatAge, place, id, updateTime, revision, minEndedS, pool.moving ?? ''];
  if (plan) return scripts.plan('finish_entry', scriptKeys, args, fence);
  const note = { pass: `rescue/${pool.pass ?? ''}`, why: 'job-succeeded', type };
  return scripts.run('finish_entry', scriptKeys, args, fence, change, note);
};
