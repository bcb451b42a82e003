import type { Registry } from '../io/pools/registry.ts';
import type { Deps } from '../io/redis/deps.ts';
import { inChunks } from '../io/redis/paged.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';

/** How many entries are in in-progress lists. */
export interface Held {
  ofType(type: string): { readonly inProgress: number; readonly running: number };
  ofPool(pool: string): number;
}

/** Counts the entries of all in-progress lists, by job type and by pool. */
export const countHeld = async (
  { connection: { redis }, keys }: Pick<Deps, 'connection' | 'keys'>,
  { lists, pools }: Pick<Registry, 'lists' | 'pools'>,
): Promise<Held> => {
  const live = new Set(pools.filter(({ isAlive }) => isAlive).map(({ pool }) => pool));
  const ofType = new Map<string, { inProgress: number; running: number }>();
  const ofPool = new Map<string, number>();
  await inChunks(lists, async ([type, pool]) => {
    const length = await unlessWrongType(redis.llen(keys.inProgress(type, pool)), 0);
    const { inProgress, running } = ofType.get(type) ?? none;
    ofType.set(type, { inProgress: inProgress + length, running: running + (live.has(pool) ? length : 0) });
    ofPool.set(pool, (ofPool.get(pool) ?? 0) + length);
  });
  return { ofType: (type) => ofType.get(type) ?? none, ofPool: (pool) => ofPool.get(pool) ?? 0 };
};

const none = { inProgress: 0, running: 0 };
