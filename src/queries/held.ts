import type { Registry } from '../io/pools/registry.ts';
import type { Deps } from '../io/redis/deps.ts';
import { inChunks } from '../io/redis/paged.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';

/** How many entries are in in-progress lists. */
export interface Held {
  ofType(type: string): HeldOfType;
  ofPool(pool: string): number;
}

interface HeldOfType {
  readonly inProgress: number;
  readonly running: number;
  /** Pool → entries in its list, where there are some. */
  readonly lists: ReadonlyMap<string, number>;
}

/** Counts the entries of all in-progress lists, by job type and by pool. */
export const countHeld = async (
  { connection: { redis }, keys }: Pick<Deps, 'connection' | 'keys'>,
  { lists, pools }: Pick<Registry, 'lists' | 'pools'>,
): Promise<Held> => {
  const live = new Set(pools.filter(({ isAlive }) => isAlive).map(({ pool }) => pool));
  const ofType = new Map<string, { inProgress: number; running: number; readonly lists: Map<string, number> }>();
  const ofPool = new Map<string, number>();
  await inChunks(lists, async ([type, pool]) => {
    const length = await unlessWrongType(redis.llen(keys.inProgress(type, pool)), 0);
    if (length === 0) return;
    const held = ofType.get(type) ?? { inProgress: 0, running: 0, lists: new Map() };
    ofType.set(type, held);
    held.inProgress += length;
    held.running += live.has(pool) ? length : 0;
    held.lists.set(pool, length);
    ofPool.set(pool, (ofPool.get(pool) ?? 0) + length);
  });
  return { ofType: (type) => ofType.get(type) ?? none, ofPool: (pool) => ofPool.get(pool) ?? 0 };
};

const none: HeldOfType = { inProgress: 0, running: 0, lists: new Map() };
