import type { LivePool } from '../../machines/supervisor.ts';
import { idOfHex } from '../jobs/trackedJobs.ts';
import type { Connection } from '../redis/connection.ts';
import type { Keys } from '../redis/keys.ts';
import { inChunks } from '../redis/paged.ts';
import { createScripts } from '../redis/scripts.ts';
import { unlessWrongType } from './rescue.ts';

/** An entry in an in-progress list of a live pool. It stays in Redis: its bytes may be many, and no UTF-8. */
export interface HeldEntry {
  readonly pool: LivePool;
  readonly type: string;
  /** Of its job, as a person reads it; the empty string where there is none that can be read. */
  readonly id: string;
  /** Why it can be judged by nobody; undefined where its job can be looked up. */
  readonly fault: string | undefined;
  /** SHA-1 of its bytes, and its place in the list from the tail (`lua/includes/entry_at.lua`). */
  readonly place: string;
  /** What it is known by in the record of the pool's unobserved entries. */
  readonly field: string;
}

type EntryReply = readonly [digest: string, id: string, isHex: 0 | 1];

/** How many entries of a list are looked at, the oldest first: a healthy one has as many as its pool has workers. */
const maxOfList = 1_000;
/** Entries that one script reads, and bytes of them after which it reads no further one. */
const bounds = { entries: 200, bytes: 500_000 };

/** The lists of live pools as they stand, each entry once. */
export const readHeldEntries = async (
  { redis }: Connection,
  keys: Keys,
  live: readonly LivePool[],
): Promise<HeldEntry[]> => {
  const scripts = createScripts(redis);

  const readList = async ({ pool, type }: { pool: LivePool; type: string }): Promise<HeldEntry[]> => {
    const held = new Map<string, HeldEntry>();
    for (let from = 0, isEnd = 0; isEnd === 0 && from < maxOfList; ) {
      const [end, entries] = await scripts.run(
        'read_held',
        [keys.inProgress(type, pool.pool)],
        [from, Math.min(bounds.entries, maxOfList - from), bounds.bytes],
      );
      for (const [i, reply] of entries.entries()) {
        const entry = heldEntryOf(pool, type, from + i + 1, reply);
        if (!held.has(entry.field)) held.set(entry.field, entry);
      }
      from += entries.length;
      isEnd = end;
    }
    // The one farthest from the tail comes first: one that leaves the list moves those before it.
    return [...held.values()].reverse();
  };

  const named = live.flatMap((pool) => pool.types.map((type) => ({ pool, type })));
  return (await inChunks(named, (one) => unlessWrongType(readList(one), []))).flat();
};

const heldEntryOf = (pool: LivePool, type: string, place: number, [digest, text, isHex]: EntryReply): HeldEntry => {
  const id = isHex === 1 ? idOfHex(text) : text;
  const name = `the entry with the SHA-1 ${digest}`;
  return {
    pool,
    type,
    id: id.toString(),
    fault:
      id === ''
        ? `${name} can not be read, or has no id: no worker can run it`
        : typeof id === 'string'
          ? undefined
          : `the id in ${name} is no UTF-8, so its job can not be looked up`,
    place: `${digest}:${place}`,
    field: `${digest} ${type}`,
  };
};
