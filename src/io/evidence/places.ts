import type { PoolState, PoolSurvey, Pools } from '../pools/rescue.ts';
import type { Connection } from '../redis/connection.ts';
import { isWrongType, kindOfRedisError } from '../redis/errors.ts';
import type { Keys } from '../redis/keys.ts';
import { existingOf } from '../redis/paged.ts';
import { createScripts } from '../redis/scripts.ts';

/** What is known of the pool that holds an entry: it is alive, its death is confirmed, or neither can be said. */
export type Standing = 'alive' | 'unconfirmed' | 'dead';

/** A place in which entries are. */
export type EntryPlace =
  | { readonly kind: 'queue'; readonly type: string }
  | { readonly kind: 'held'; readonly type: string; readonly pool: string; readonly standing: Standing }
  | { readonly kind: 'scheduled' | 'retry' | 'dead' };

/** Sees whose entries stand in all places. A place may be read twice, and an entry that moves may be seen in several. */
export interface PlaceVisitor {
  /**
   * Some entries of a place.
   * @param ids of the entries' jobs; the empty string for an entry without one.
   * @param from of a list: how many entries were read before these, beginning at its head, where entries are pushed.
   * @param scores of a sorted set: one for each entry.
   */
  entries(place: EntryPlace, ids: readonly string[], from: number, scores: readonly number[]): void;
  /** A list was read to its end. */
  listEnd?(place: EntryPlace, length: number): void;
}

export interface Traced {
  /** The pools as they were seen last. */
  readonly survey: PoolSurvey;
  /** Places that could not be read, by key: an entry may be in each of them. */
  readonly unreadable: readonly string[];
}

/** A list below the prefix of the queues. Its name may be no UTF-8, so its key is kept as bytes. */
interface NamedList {
  readonly key: Buffer;
  readonly name: string;
  readonly isHeld: boolean;
}

/** Entries that one script reads, and bytes of them after which it reads no further one. */
const bounds = [500, 1_000_000] as const;
/** Keys that one SCAN looks at. */
const scanCount = 1_000;
/** Keys that are known by name only and are read at the same time. */
const atOnce = 100;
/** Rounds in which queues may turn up that were not there in the round before. */
const maxRounds = 5;
/** Walks, where the connection is made anew during each of them. */
const maxTraces = 3;

interface Reading {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly pools: Pools;
}

/**
 * Reads every place of the namespace from which a job could still run (see `walkOnce`). A cursor is worth nothing to another
 * process of Redis than the one that gave it. So where the connection was made anew meanwhile, entries may have been passed
 * over, and the walk begins again.
 *
 * @param types types that have to be looked at beside those that are found.
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
 * Reads every place of the namespace from which a job could still run: each list below `<ns>jobs:`, whatever its type is called,
 * and the three sorted sets. What the stats call the job's type says nothing about where its entry is.
 *
 * In the order in which entries move: out of scheduled and retry into a queue, from there into an in-progress list, from
 * there into a queue again when their pool dies. So in-progress lists are read before and after the queues, and an entry
 * that moves meanwhile is met in one place or another. The lists are looked for by name before and after that too: a queue that
 * is new then is read, and the in-progress lists once more.
 */
const walkOnce = async (
  { connection: { redis }, keys, pools }: Reading,
  types: ReadonlySet<string>,
  visitor: PlaceVisitor,
): Promise<Traced> => {
  const scripts = createScripts(redis);
  const unreadable = new Set<string>();
  /** A place that is not what it should be, or that this user may not read. */
  const noteUnreadable = (key: string) => (error: Error) => {
    if (!isWrongType(error) && kindOfRedisError(error) !== 'permanent') throw error;
    unreadable.add(key);
  };

  const walkList = async (list: NamedList, place: EntryPlace) => {
    try {
      // What is pushed meanwhile moves those that stay towards what is yet to be read, so none is skipped.
      for (let from = 0; ; ) {
        const [isEnd, ids] = await scripts.run('read_entries', [list.key], [from, ...bounds]);
        visitor.entries(place, ids, from, []);
        from += ids.length;
        if (isEnd === 1) return visitor.listEnd?.(place, from);
      }
    } catch (error) {
      noteUnreadable(list.name)(error as Error);
    }
  };

  const walkSet = async (kind: 'scheduled' | 'retry' | 'dead') => {
    let cursor = '0';
    do {
      const [after, ids, scores] = await scripts.run('scan_entries', [keys[kind]], [cursor, ...bounds]);
      visitor.entries({ kind }, ids, 0, scores.map(Number));
      cursor = after;
    } while (cursor !== '0');
  };

  /** Of many keys that are known by name only, those that are there: the others hold nothing now. */
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

  /** In-progress lists, each with what is known of its pool. Those that should be there show a key of the wrong type. */
  const walkHeld = async (survey: PoolSurvey, lists: Lists) => {
    const states = new Map(survey.pools.map((state) => [state.pool, state]));
    for (const list of lists.held.values()) await walkList(list, leaderOf(list.name, keys, states));
    const named = survey.pools
      .filter(({ isRegistered }) => isRegistered)
      .flatMap(({ pool }) => [...types].map((type) => listOf(Buffer.from(keys.inProgress(type, pool)), keys)));
    await inChunks(await thereOf(named), lists.held, (list) => walkList(list, leaderOf(list.name, keys, states)));
  };

  /** Queues that were not read before, each once. */
  const walkQueues = async (survey: PoolSurvey, lists: Lists, walked: Map<string, NamedList>) => {
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

  let survey = await pools.survey(false);
  let lists = await findLists();
  await walkHeld(survey, lists);
  for (const kind of ['scheduled', 'retry', 'dead'] as const) await walkSet(kind).catch(noteUnreadable(keys[kind]));
  const walked = new Map<string, NamedList>();
  for (let round = 1; ; round++) {
    await walkQueues(survey, lists, walked);
    survey = await pools.survey(false);
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
  // A name without room for a type and a pool is that of a queue.
  const isHeld = name.endsWith(heldSuffix) && name.slice(`${prefix}jobs:`.length, -heldSuffix.length).includes(':');
  return { key, name, isHeld };
};

/** Each byte as a character: names that are no UTF-8 stay apart. */
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
 * Whose in-progress list has this name. Types and pools may hold colons, so there may be several ways to read it: the list is
 * that of a dead pool only where every known pool whose it may be is confirmed dead.
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
