import type { PoolState } from '../pools/poolState.ts';
import type { Registry } from '../pools/registry.ts';
import type { Pools } from '../pools/rescue.ts';
import type { Connection } from '../redis/connection.ts';
import { isWrongType, kindOfRedisError } from '../redis/errors.ts';
import type { Keys } from '../redis/keys.ts';
import { existingOf } from '../redis/paged.ts';
import { createScripts } from '../redis/scripts.ts';

/** The state of the pool that holds an entry: alive, confirmed dead, or neither. */
export type Standing = 'alive' | 'unconfirmed' | 'dead';

/** A place that holds entries. */
export type EntryPlace =
  | { readonly kind: 'queue'; readonly type: string }
  | { readonly kind: 'held'; readonly type: string; readonly pool: string; readonly standing: Standing }
  | { readonly kind: 'scheduled' | 'retry' | 'dead' };

/** Visits the entries of all places. A place may be read twice, and an entry that moves may be seen in several places. */
export interface PlaceVisitor {
  /**
   * Called with some entries of a place.
   * @param ids the job id of each entry; '' for an entry without one.
   * @param from for a list: the index of the first entry. Index 0 is the head, where entries are pushed.
   * @param scores for a sorted set: the score of each entry.
   */
  entries(place: EntryPlace, ids: readonly string[], from: number, scores: readonly number[]): void;
  /** Called when a list was read to its end. */
  listEnd?(place: EntryPlace, length: number): void;
}

export interface Traced {
  /** The pools as of the end of the walk. */
  readonly survey: Registry;
  /** Keys of the places that could not be read: any entry may be in them. */
  readonly unreadable: readonly string[];
}

/** A list below the prefix of the queues. Its key is kept as bytes, for its name may be invalid UTF-8. */
interface NamedList {
  readonly key: Buffer;
  readonly name: string;
  readonly isHeld: boolean;
}

/** How many entries one script reads, and after how many bytes it stops. */
const bounds = [500, 1_000_000] as const;
/** COUNT of SCAN. */
const scanCount = 1_000;
/** How many lists are read at the same time. */
const atOnce = 100;
/** Rounds of looking for queues that were created in the round before. */
const maxRounds = 5;
/** How often a walk is repeated after a reconnect. */
const maxTraces = 3;

interface Reading {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly pools: Pools;
}

/**
 * Reads every place of the namespace from which a job could still run (see `walkOnce`). A cursor means nothing to another Redis
 * process, so after a reconnect entries may have been skipped, and the walk begins again.
 *
 * @param types job types to read besides those that are found.
 */
export const walkPlaces = async (
  reading: Reading,
  types: ReadonlySet<string>,
  visitor: PlaceVisitor,
): Promise<Traced> => {
  for (let traces = 1; ; traces++) {
    const epoch = reading.connection.epoch();
    const walked = await walkOnce(reading, types, visitor);
    if (reading.connection.epoch() === epoch) return walked;
    if (traces === maxTraces) return { ...walked, unreadable: [...walked.unreadable, `${reading.keys.prefix}*`] };
  }
};

/**
 * Reads every place of the namespace from which a job could still run: each list below `<ns>jobs:`, whatever its job type, and
 * the three sorted sets. The type in the stats does not tell where the entry is.
 *
 * Entries move out of scheduled and retry into a queue, then into an in-progress list, and back into a queue if their pool dies.
 * The walk follows this order, and reads the in-progress lists before and after the queues. So it meets an entry that moves
 * meanwhile in one place or another. It looks for lists by name before and after that too: it reads queues that are new then,
 * and the in-progress lists again.
 */
const walkOnce = async (
  { connection: { redis }, keys, pools }: Reading,
  types: ReadonlySet<string>,
  visitor: PlaceVisitor,
): Promise<Traced> => {
  const scripts = createScripts(redis);
  const unreadable = new Set<string>();
  /** Records a place of the wrong type, or one that this user may not read. */
  const noteUnreadable = (key: string) => (error: Error) => {
    if (!isWrongType(error) && kindOfRedisError(error) !== 'permanent') throw error;
    unreadable.add(key);
  };

  const walkList = async (list: NamedList, place: EntryPlace) => {
    try {
      // An entry that is pushed meanwhile moves the others towards the part that is still to be read, so none is skipped.
      for (let from = 0; ; ) {
        const { isEnd, ids } = await scripts.run('read_entries', [list.key], [from, ...bounds]);
        visitor.entries(place, ids, from, []);
        from += ids.length;
        if (isEnd) return visitor.listEnd?.(place, from);
      }
    } catch (error) {
      noteUnreadable(list.name)(error as Error);
    }
  };

  const walkSet = async (kind: 'scheduled' | 'retry' | 'dead') => {
    let cursor = '0';
    do {
      const { cursor: after, ids, scores } = await scripts.run('scan_entries', [keys[kind]], [cursor, ...bounds]);
      visitor.entries({ kind }, ids, 0, scores);
      cursor = after;
    } while (cursor !== '0');
  };

  /** Those of many keys that exist: the others hold nothing now. */
  const thereOf = async (named: readonly NamedList[]) => {
    if (named.length <= atOnce) return named;
    const there = new Set(
      await existingOf(
        redis,
        named.map(({ name }) => name),
      ),
    );
    return named.filter(({ name }) => there.has(name));
  };

  /** Reads the in-progress lists, also those that should exist, in case their keys hold another type. */
  const walkHeld = async (survey: Registry, lists: Lists) => {
    const states = new Map(survey.pools.map((state) => [state.pool, state]));
    for (const list of lists.held.values()) await walkList(list, leaderOf(list.name, keys, states));
    const named = survey.pools
      .filter(({ isRegistered }) => isRegistered)
      .flatMap(({ pool }) => [...types].map((type) => listOf(Buffer.from(keys.inProgress(type, pool)), keys)));
    await inChunks(await thereOf(named), lists.held, (list) => walkList(list, leaderOf(list.name, keys, states)));
  };

  /** Reads the queues that were not read before. */
  const walkQueues = async (survey: Registry, lists: Lists, walked: Map<string, NamedList>) => {
    for (const [id, list] of lists.queues) {
      if (walked.has(id)) continue;
      walked.set(id, list);
      await walkList(list, queueOf(list, keys));
    }
    const named = [...new Set([...types, ...survey.types])].map((type) => listOf(Buffer.from(keys.queue(type)), keys));
    await inChunks(await thereOf(named), walked, (list) => {
      walked.set(idOf(list.key), list);
      return walkList(list, queueOf(list, keys));
    });
  };

  const findLists = async (): Promise<Lists> => {
    const found: Lists = { queues: new Map(), held: new Map() };
    let cursor = '0';
    do {
      const [next, names] = await redis.scanBuffer(
        cursor,
        'MATCH',
        keys.jobsPattern,
        'COUNT',
        scanCount,
        'TYPE',
        'list',
      );
      for (const key of names) {
        const list = listOf(key, keys);
        (list.isHeld ? found.held : found.queues).set(idOf(key), list);
      }
      cursor = String(next);
    } while (cursor !== '0');
    return found;
  };

  let survey = await pools.readRegistry(false);
  let lists = await findLists();
  await walkHeld(survey, lists);
  for (const kind of ['scheduled', 'retry', 'dead'] as const) await walkSet(kind).catch(noteUnreadable(keys[kind]));
  const walked = new Map<string, NamedList>();
  for (let round = 1; ; round++) {
    await walkQueues(survey, lists, walked);
    survey = await pools.readRegistry(false);
    lists = await findLists();
    await walkHeld(survey, lists);
    if ([...lists.queues.keys()].every((id) => walked.has(id))) break;
    if (round === maxRounds) {
      unreadable.add(`${keys.prefix}jobs:*`);
      break;
    }
  }
  return { survey, unreadable: [...unreadable] };
};

interface Lists {
  readonly queues: Map<string, NamedList>;
  readonly held: Map<string, NamedList>;
}

const heldSuffix = ':inprogress';

const listOf = (key: Buffer, { prefix }: Keys): NamedList => {
  const name = key.toString();
  // A name without both a type and a pool is that of a queue.
  const isHeld = name.endsWith(heldSuffix) && name.slice(`${prefix}jobs:`.length, -heldSuffix.length).includes(':');
  return { key, name, isHeld };
};

/** One character per byte, so names that are invalid UTF-8 stay distinct. */
const idOf = (key: Buffer) => key.toString('latin1');

const inChunks = async (
  lists: readonly NamedList[],
  known: ReadonlyMap<string, NamedList>,
  walk: (list: NamedList) => Promise<unknown>,
) => {
  const others = [...new Map(lists.map((list) => [idOf(list.key), list])).entries()].filter(([id]) => !known.has(id));
  for (let i = 0; i < others.length; i += atOnce) {
    await Promise.all(others.slice(i, i + atOnce).map(([, list]) => walk(list)));
  }
};

const queueOf = ({ name }: NamedList, { prefix }: Keys): EntryPlace => ({
  kind: 'queue',
  type: name.slice(`${prefix}jobs:`.length),
});

/**
 * Finds the pool of an in-progress list by its name. Types and pools may contain colons, so the name may fit several pools. The
 * list counts as a dead pool's only if every known pool that it fits is confirmed dead.
 */
const leaderOf = (name: string, { prefix }: Keys, pools: ReadonlyMap<string, PoolState>): EntryPlace => {
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
