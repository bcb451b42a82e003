import type { LivePool } from '../../machines/types/rescue.ts';
import { idOfHex } from '../jobs/trackedId.ts';
import type { Connection } from '../redis/connection.ts';
import type { Keys } from '../redis/keys.ts';
import { inChunks } from '../redis/paged.ts';
import { createScripts } from '../redis/scripts.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';

/** An entry in an in-progress list of a live pool. Its bytes stay in Redis: they may be many, and not UTF-8. */
export interface HeldEntry {
  readonly pool: LivePool;
  readonly type: string;
  /** Id of its job; empty if it cannot be read. */
  readonly id: string;
  /** Why the entry cannot be judged; undefined if its job can be looked up. */
  readonly fault: string | undefined;
  /** SHA-1 of its bytes, and its index from the end of the list (`lua/includes/entry_at.lua`). */
  readonly place: string;
  /** SHA-1 of its bytes. */
  readonly digest: string;
  /** How many equal entries were read of the list. */
  readonly copies: number;
  /** Its field in the hash of the pool's unobserved entries. */
  readonly field: string;
}

type EntryReply = readonly [digest: string, id: string, isHex: 0 | 1];

/** How many entries of a list are read, the oldest first. A healthy list has no more than its pool has workers. */
const maxPerList = 1_000;
/** How many entries one script reads, and after how many bytes it stops. */
const bounds = { entries: 200, bytes: 500_000 };

/** Names an entry among those of all pools. */
export const entryKey = (pool: string, type: string, digest: string): string => JSON.stringify([pool, type, digest]);
export const keyOf = ({ pool, type, digest }: HeldEntry): string => entryKey(pool.pool, type, digest);

/** Reads the in-progress lists of live pools. Equal entries of a list are returned once. */
export const readHeldEntries = async (
  { redis }: Connection,
  keys: Keys,
  live: readonly LivePool[],
): Promise<HeldEntry[]> => {
  const scripts = createScripts(redis);

  const readList = async ({ pool, type }: { pool: LivePool; type: string }): Promise<HeldEntry[]> => {
    const held = new Map<string, HeldEntry>();
    for (let from = 0, isEnd = false; !isEnd && from < maxPerList; ) {
      const read = await scripts.run(
        'read_held',
        [keys.inProgress(type, pool.pool)],
        [from, Math.min(bounds.entries, maxPerList - from), bounds.bytes],
      );
      for (const [i, reply] of read.entries.entries()) {
        const entry = heldEntryOf(pool, type, from + i + 1, reply);
        const equal = held.get(entry.field);
        held.set(entry.field, equal === undefined ? entry : { ...equal, copies: equal.copies + 1 });
      }
      from += read.entries.length;
      isEnd = read.isEnd;
    }
    // From the head on, because an entry that is removed changes the index of those before it only.
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
        ? `${name} cannot be read, or has no id: no worker can run it`
        : typeof id === 'string'
          ? undefined
          : `the id in ${name} is not valid UTF-8; its job is unknown`,
    place: `${digest}:${place}`,
    ...{ digest, copies: 1 },
    field: `${digest} ${type}`,
  };
};
