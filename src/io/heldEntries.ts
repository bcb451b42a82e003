import { createHash } from 'node:crypto';
import type { LivePool } from '../machines/supervisor.ts';
import type { Connection } from './connection.ts';
import { jobOf } from './entries.ts';
import type { Keys } from './keys.ts';
import { inChunks } from './paged.ts';
import { unlessWrongType } from './pools.ts';

/** An entry in an in-progress list of a live pool whose job's id can be read. */
export interface HeldEntry {
  readonly pool: LivePool;
  readonly type: string;
  readonly id: string;
  /** The bytes: an entry may be no UTF-8. */
  readonly entry: Buffer;
  /** What it is known by in the record of the pool's unobserved entries. */
  readonly field: string;
}

/** How many entries of a list are looked at, the oldest first: a healthy one has as many as its pool has workers. */
const maxOfList = 1_000;

/** The lists of live pools as they stand, each entry once. */
export const readHeldEntries = async (
  { redis }: Connection,
  keys: Keys,
  live: readonly LivePool[],
): Promise<HeldEntry[]> => {
  const named = live.flatMap((pool) => pool.types.map((type) => ({ pool, type })));
  const lists = await inChunks(named, async ({ pool, type }) => {
    const list = redis.lrangeBuffer(keys.inProgress(type, pool.pool), -maxOfList, -1);
    return { pool, type, entries: await unlessWrongType(list, []) };
  });
  return lists.flatMap(({ pool, type, entries }) => {
    const held = new Map<string, HeldEntry>();
    for (const entry of entries) {
      const id = jobOf(entry.toString());
      const field = `${createHash('sha1').update(entry).digest('hex')} ${type}`;
      if (id !== undefined) held.set(field, { pool, type, id, entry, field });
    }
    return [...held.values()];
  });
};
