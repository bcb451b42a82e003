import type { Pace } from '../jobs/pace.ts';
import type { PoolState } from '../pools/poolState.ts';
import type { Connection } from '../redis/connection.ts';
import type { Keys } from '../redis/keys.ts';

/** The state of the pool that holds an entry: alive, confirmed dead, or neither. */
export type Standing = 'alive' | 'unconfirmed' | 'dead';

/** A place that holds entries. */
export type EntryPlace =
  | { readonly kind: 'queue'; readonly type: string }
  | { readonly kind: 'held'; readonly type: string; readonly pool: string; readonly standing: Standing }
  | { readonly kind: 'scheduled' | 'retry' | 'dead' };

/** A list below the prefix of the queues. Its key is kept as bytes, for its name may be invalid UTF-8. */
export interface NamedList {
  readonly key: Buffer;
  readonly name: string;
  readonly isHeld: boolean;
}

/** COUNT of SCAN, and what that many keys cost Redis in µs, about: SCAN does not say it. */
const [scanCount, scanCost] = [500, 550];

/** The lists below `<ns>jobs:`, by `idOf` their keys. */
export interface Lists {
  readonly queues: Map<string, NamedList>;
  readonly held: Map<string, NamedList>;
}

/** What is read with, in turns of the pace, until the signal ends it with an error. */
export interface Reading {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly pace: Pace;
  readonly signal: AbortSignal | undefined;
}

/** Scans for all lists below `<ns>jobs:`. */
export const findLists = async ({ connection: { redis }, keys, pace, signal }: Reading): Promise<Lists> => {
  const found: Lists = { queues: new Map(), held: new Map() };
  let cursor = '0';
  do {
    const [next, names] = await redis.scanBuffer(cursor, 'MATCH', keys.jobsPattern, 'COUNT', scanCount, 'TYPE', 'list');
    for (const key of names) {
      const list = listOf(key, keys);
      (list.isHeld ? found.held : found.queues).set(idOf(key), list);
    }
    cursor = String(next);
    if (cursor !== '0') await pace.turn(scanCost);
    signal?.throwIfAborted();
  } while (cursor !== '0');
  return found;
};

const heldSuffix = ':inprogress';

export const listOf = (key: Buffer, { prefix }: Keys): NamedList => {
  const name = key.toString();
  // A name without both a type and a pool is that of a queue.
  const isHeld = name.endsWith(heldSuffix) && name.slice(`${prefix}jobs:`.length, -heldSuffix.length).includes(':');
  return { key, name, isHeld };
};

/** One character per byte, so names that are invalid UTF-8 stay distinct. */
export const idOf = (key: Buffer) => key.toString('latin1');

export const queueOf = ({ name }: NamedList, { prefix }: Keys): EntryPlace => ({
  kind: 'queue',
  type: name.slice(`${prefix}jobs:`.length),
});

/**
 * Finds the pool of an in-progress list by its name. Types and pools may contain colons, so the name may fit several pools. The
 * list counts as a dead pool's only if every known pool that it fits is confirmed dead.
 */
export const heldPlaceOf = (name: string, { prefix }: Keys, pools: ReadonlyMap<string, PoolState>): EntryPlace => {
  const middle = name.slice(`${prefix}jobs:`.length, -heldSuffix.length);
  const readings: (EntryPlace & { kind: 'held' })[] = [];
  for (let at = middle.indexOf(':'); at >= 0; at = middle.indexOf(':', at + 1)) {
    const pool = middle.slice(at + 1);
    const state = pools.get(pool);
    if (state !== undefined)
      readings.push({ kind: 'held', type: middle.slice(0, at), pool, standing: standingOf(state) });
  }
  const at = middle.lastIndexOf(':');
  return (
    readings.find(({ standing }) => standing === 'alive') ??
    readings.find(({ standing }) => standing === 'unconfirmed') ??
    readings[0] ?? { kind: 'held', type: middle.slice(0, at), pool: middle.slice(at + 1), standing: 'unconfirmed' }
  );
};

export const standingOf = ({ isAlive, isConfirmedDead }: PoolState): Standing =>
  isAlive ? 'alive' : isConfirmedDead ? 'dead' : 'unconfirmed';
