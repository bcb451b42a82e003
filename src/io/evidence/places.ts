import type { Registry } from '../pools/registry.ts';
import type { Pools } from '../pools/rescue.ts';
import type { Connection } from '../redis/connection.ts';
import { isWrongType, kindOfRedisError } from '../redis/errors.ts';
import type { Keys } from '../redis/keys.ts';
import { existingOf } from '../redis/paged.ts';
import { createScripts, type Scripts } from '../redis/scripts.ts';
import { type EntryPlace, findLists, heldPlaceOf, idOf, type Lists, listOf, type NamedList, queueOf } from './lists.ts';

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

/** How many entries one script reads, and after how many bytes it stops. */
const bounds = [500, 1_000_000] as const;
/** How many lists are read at the same time. */
const maxParallel = 100;
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
 * Reads every place of the namespace from which a job could still run (see `Walk`). A cursor means nothing to another Redis
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
    const walked = await new Walk(reading, types, visitor).run();
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
class Walk {
  readonly #reading: Reading;
  readonly #types: ReadonlySet<string>;
  readonly #visitor: PlaceVisitor;
  readonly #scripts: Scripts;
  readonly #unreadable = new Set<string>();

  constructor(reading: Reading, types: ReadonlySet<string>, visitor: PlaceVisitor) {
    this.#reading = reading;
    this.#types = types;
    this.#visitor = visitor;
    this.#scripts = createScripts(reading.connection.redis);
  }

  async run(): Promise<Traced> {
    const { connection, keys, pools } = this.#reading;
    let survey = await pools.readRegistry(false);
    let lists = await findLists(connection.redis, keys);
    await this.#walkHeld(survey, lists);
    for (const kind of ['scheduled', 'retry', 'dead'] as const) {
      await this.#walkSet(kind).catch((error) => this.#addUnreadable(keys[kind], error));
    }
    const walked = new Map<string, NamedList>();
    for (let round = 1; ; round++) {
      await this.#walkQueues(survey, lists, walked);
      survey = await pools.readRegistry(false);
      lists = await findLists(connection.redis, keys);
      await this.#walkHeld(survey, lists);
      if ([...lists.queues.keys()].every((id) => walked.has(id))) break;
      if (round === maxRounds) {
        this.#unreadable.add(`${keys.prefix}jobs:*`);
        break;
      }
    }
    return { survey, unreadable: [...this.#unreadable] };
  }

  /** Records a place of the wrong type, or one that this user may not read. */
  #addUnreadable(key: string, error: unknown): void {
    if (!isWrongType(error) && kindOfRedisError(error) !== 'permanent') throw error;
    this.#unreadable.add(key);
  }

  async #walkList(list: NamedList, place: EntryPlace): Promise<void> {
    try {
      // An entry that is pushed meanwhile moves the others towards the part that is still to be read, so none is skipped.
      for (let from = 0; ; ) {
        const { isEnd, ids } = await this.#scripts.run('read_entries', [list.key], [from, ...bounds]);
        this.#visitor.entries(place, ids, from, []);
        from += ids.length;
        if (isEnd) return this.#visitor.listEnd?.(place, from);
      }
    } catch (error) {
      this.#addUnreadable(list.name, error);
    }
  }

  async #walkSet(kind: 'scheduled' | 'retry' | 'dead'): Promise<void> {
    let cursor = '0';
    do {
      const key = this.#reading.keys[kind];
      const { cursor: after, ids, scores } = await this.#scripts.run('scan_entries', [key], [cursor, ...bounds]);
      this.#visitor.entries({ kind }, ids, 0, scores);
      cursor = after;
    } while (cursor !== '0');
  }

  /** Reads the in-progress lists, also those that should exist, in case their keys hold another type. */
  async #walkHeld(survey: Registry, lists: Lists): Promise<void> {
    const { keys } = this.#reading;
    const states = new Map(survey.pools.map((state) => [state.pool, state]));
    const walk = (list: NamedList) => this.#walkList(list, heldPlaceOf(list.name, keys, states));
    for (const list of lists.held.values()) await walk(list);
    const named = survey.pools
      .filter(({ isRegistered }) => isRegistered)
      .flatMap(({ pool }) => [...this.#types].map((type) => listOf(Buffer.from(keys.inProgress(type, pool)), keys)));
    await inChunks(await this.#existing(named), lists.held, walk);
  }

  /** Reads the queues that were not read before. */
  async #walkQueues(survey: Registry, lists: Lists, walked: Map<string, NamedList>): Promise<void> {
    const { keys } = this.#reading;
    const walk = (list: NamedList) => {
      walked.set(idOf(list.key), list);
      return this.#walkList(list, queueOf(list, keys));
    };
    for (const [id, list] of lists.queues) if (!walked.has(id)) await walk(list);
    const types = new Set([...this.#types, ...survey.types]);
    const named = [...types].map((type) => listOf(Buffer.from(keys.queue(type)), keys));
    await inChunks(await this.#existing(named), walked, walk);
  }

  /** Those of many lists that exist: the others hold nothing now. */
  async #existing(named: readonly NamedList[]): Promise<readonly NamedList[]> {
    if (named.length <= maxParallel) return named;
    const names = named.map(({ name }) => name);
    const existing = new Set(await existingOf(this.#reading.connection.redis, names));
    return named.filter(({ name }) => existing.has(name));
  }
}

/** Walks lists that are not known yet, some at a time. */
const inChunks = async (
  lists: readonly NamedList[],
  known: ReadonlyMap<string, NamedList>,
  walk: (list: NamedList) => Promise<unknown>,
) => {
  const others = [...new Map(lists.map((list) => [idOf(list.key), list])).entries()].filter(([id]) => !known.has(id));
  for (let i = 0; i < others.length; i += maxParallel) {
    await Promise.all(others.slice(i, i + maxParallel).map(([, list]) => walk(list)));
  }
};
