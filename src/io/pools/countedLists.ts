import type { Deps } from '../redis/deps.ts';
import { brokenCounts, unreadableName } from '../redis/keyNames.ts';
import { readNames as readFields } from '../redis/paged.ts';
import type { Registry } from './registry.ts';

/** How names of lists are read. */
export type ListNames = Pick<Registry, 'readList'>;

/** Known names: as read once for the pass, or read again now. */
export interface NameReader {
  readonly ofPass: () => Promise<ListNames>;
  readonly fresh: () => Promise<ListNames>;
}

/** The lists of a type cannot be told from those of other types, so its counters stay as they are. */
export class UnclearListsError extends Error {
  override name = 'UnclearListsError';
}

/** Finds the in-progress lists that the counters of a type count. */
export interface CountedLists {
  /**
   * Those of the pools whose lists are this type's. If names hold colons, a list with the name of this type and a pool may be another
   * type's, whose entries are not counted here.
   * @throws UnclearListsError
   */
  ownPools(type: string, pools: readonly string[], names: () => Promise<ListNames>): Promise<readonly string[]>;
  /**
   * The pools that lock_info counts.
   * @throws UnclearListsError if the list of one of them is another type's.
   */
  countedPools(type: string, counted: readonly string[], names: NameReader): Promise<readonly string[]>;
}

export const createCountedLists = ({ connection, keys }: Pick<Deps, 'connection' | 'keys'>): CountedLists => {
  const { redis } = connection;

  const ownPools: CountedLists['ownPools'] = async (type, pools, names) => {
    const isPlain = !type.includes(':');
    if (isPlain && pools.every((pool) => !pool.includes(':'))) return pools;
    const { readList } = await names();
    const own: string[] = [];
    for (const pool of pools) {
      const reading = readList(type, pool);
      const key = keys.inProgress(type, pool);
      if (typeof reading === 'object') {
        if (reading.type === type && reading.pool === pool) own.push(pool);
      } else if ((await redis.exists(key)) === 0) own.push(pool);
      else throw new UnclearListsError(unreadableName(key, key.slice(keys.jobsPrefix.length), reading));
    }
    return own;
  };

  return {
    ownPools,

    async countedPools(type, counted, names) {
      const key = keys.lockInfo(type);
      if (counted.some((pool) => pool.includes('\uFFFD'))) {
        const { broken } = await readFields(connection, key, 'hash');
        if (broken.length > 0) throw new UnclearListsError(brokenCounts(key, broken));
      }
      const own = await ownPools(type, counted, names.fresh);
      const known = new Set(own);
      const other = counted.find((pool) => !known.has(pool));
      if (other === undefined) return own;
      throw new UnclearListsError(
        `${key}: counts pool ${other}, whose list is read as another type's; it and the lock are left`,
      );
    },
  };
};
