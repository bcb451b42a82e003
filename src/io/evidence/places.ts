import { type BatchSize, createBatchSize } from '../jobs/batchSize.ts';
import type { Registry } from '../pools/registry.ts';
import type { Pools } from '../pools/rescue.ts';
import { isWrongType, kindOfRedisError } from '../redis/errors.ts';
import { existingOf } from '../redis/paged.ts';
import { createScripts, type Scripts } from '../redis/scripts.ts';
import {
  type EntryPlace,
  findLists,
  heldPlaceOf,
  idOf,
  type Lists,
  listOf,
  type NamedList,
  queueOf,
  type Reading,
} from './lists.ts';

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

/** How many entries one script reads at most, and after how many bytes it stops. */
const [maxEntries, maxBytes] = [500, 1_000_000];
/** What a call costs Redis besides what its script says, in µs: with thousands of short lists that is most of it. */
const callCost = 40;
/** How often the walk goes back in an in-progress list whose entries end faster than it reads. */
const maxStepsBack = 20;
/** How many lists are read at the same time. */
const maxParallel = 100;
/** Rounds of looking for queues that were created in the round before. */
const maxRounds = 5;
/** How often a walk is repeated after a reconnect. */
const maxTraces = 3;

interface WalkReading extends Reading {
  readonly pools: Pools;
}

/**
 * Reads every place of the namespace from which a job could still run (see `Walk`). A cursor means nothing to another Redis
 * process, so after a reconnect entries may have been skipped, and the walk begins again.
 *
 * @param types job types to read besides those that are found.
 */
export const walkPlaces = async (
  reading: WalkReading,
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
 *
 * It misses an entry that is fetched and requeued within the walk, into the part of a queue that was read before. A rescue leaves at
 * least its grace between the two, and what a worker begins has other stats after the walk.
 */
class Walk {
  readonly #reading: WalkReading;
  readonly #types: ReadonlySet<string>;
  readonly #visitor: PlaceVisitor;
  readonly #scripts: Scripts;
  readonly #size: BatchSize;
  readonly #unreadable = new Set<string>();

  constructor(reading: WalkReading, types: ReadonlySet<string>, visitor: PlaceVisitor) {
    this.#reading = reading;
    this.#types = types;
    this.#visitor = visitor;
    this.#scripts = createScripts(reading.connection.redis);
    this.#size = createBatchSize(maxEntries, reading.pace.scriptTime);
  }

  async run(): Promise<Traced> {
    const { keys, pools } = this.#reading;
    let survey = await pools.readRegistry(false);
    let lists = await findLists(this.#reading);
    await this.#walkHeld(survey, lists);
    for (const kind of ['scheduled', 'retry', 'dead'] as const) {
      await this.#orUnreadable(keys[kind], this.#walkSet(kind));
    }
    const walked = new Map<string, NamedList>();
    for (let round = 1; ; round++) {
      await this.#walkQueues(survey, lists, walked);
      survey = await pools.readRegistry(false);
      lists = await findLists(this.#reading);
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
  async #orUnreadable(key: string, walk: Promise<void>): Promise<void> {
    try {
      await walk;
    } catch (error) {
      if (!isWrongType(error) && kindOfRedisError(error) !== 'permanent') throw error;
      this.#unreadable.add(key);
    }
  }

  #turn(): Promise<void> {
    return this.#reading.pace.turn(callCost);
  }

  /** Reads a part of a place, and takes note of what it has cost. Most lists are short, so that is not known before. */
  async #read<Part extends { readonly ids: readonly string[]; readonly us: number | undefined }>(
    read: () => Promise<Part>,
  ): Promise<Part> {
    const { pace, signal } = this.#reading;
    signal?.throwIfAborted();
    const part = await read();
    const { ids, us } = part;
    this.#size.learn(ids.length, us);
    pace.correct(us ?? this.#size.costOf(ids.length));
    return part;
  }

  /**
   * Reads a queue from its head. Entries are pushed there, and leave it at its tail: that moves the others towards the part that is still
   * to be read, so none is skipped.
   */
  async #walkQueue(list: NamedList, place: EntryPlace): Promise<void> {
    for (let from = 0; ; ) {
      await this.#turn();
      const { isEnd, ids } = await this.#readPart(list, from, this.#size.next());
      this.#visitor.entries(place, ids, from, []);
      from += ids.length;
      if (isEnd) return this.#visitor.listEnd?.(place, from);
    }
  }

  /**
   * Reads an in-progress list from its head. Entries leave it from anywhere, and those behind them move back. So nothing waits between two
   * parts, and each has to begin with entries of the part before: else it goes back, for what lies between them may have moved. Most lists
   * are one part.
   */
  async #walkHeldList(list: NamedList, place: EntryPlace): Promise<void> {
    await this.#turn();
    let before = new Set<string>();
    for (let from = 0, steps = 0; ; ) {
      const { isEnd, ids } = await this.#readPart(list, from, maxEntries);
      this.#visitor.entries(place, ids, from, []);
      if (from === 0 || before.size === 0 || ids.some((id) => before.has(id))) {
        if (isEnd) return this.#visitor.listEnd?.(place, from + ids.length);
        before = new Set(ids.filter((id) => id !== ''));
        from += Math.max(1, Math.floor((ids.length * 3) / 4));
      } else if (steps++ < maxStepsBack) {
        from = Math.max(0, from - Math.max(before.size, ids.length));
      } else {
        this.#unreadable.add(list.name);
        return;
      }
    }
  }

  #readPart({ key }: NamedList, from: number, most: number) {
    return this.#read(() => this.#scripts.run('read_entries', [key], [from, most, maxBytes]));
  }

  async #walkSet(kind: 'scheduled' | 'retry' | 'dead'): Promise<void> {
    let cursor = '0';
    do {
      const key = this.#reading.keys[kind];
      await this.#turn();
      const part = await this.#read(() =>
        this.#scripts.run('scan_entries', [key], [cursor, this.#size.next(), maxBytes]),
      );
      this.#visitor.entries({ kind }, part.ids, 0, part.scores);
      cursor = part.cursor;
    } while (cursor !== '0');
  }

  /** Reads the in-progress lists, also those that should exist, in case their keys hold another type. */
  async #walkHeld(survey: Registry, lists: Lists): Promise<void> {
    const { keys } = this.#reading;
    const states = new Map(survey.pools.map((state) => [state.pool, state]));
    const walk = (list: NamedList) =>
      this.#orUnreadable(list.name, this.#walkHeldList(list, heldPlaceOf(list.name, keys, states)));
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
      return this.#orUnreadable(list.name, this.#walkQueue(list, queueOf(list, keys)));
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
