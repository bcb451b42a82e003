import { type Evidence, evidencePlaces, type Facts } from '../machines/facts.ts';
import type { Connection } from './connection.ts';
import { jobOf } from './entries.ts';
import { IdTable } from './idTable.ts';
import type { Keys } from './keys.ts';
import { type Observation, readObservations } from './observations.ts';
import type { PoolSurvey, Pools } from './pools.ts';

/** What a candidate's mark in the table stands for: not found yet, or where its entry stands; the later ones say more. */
const marks = ['', 'nowhere', 'dead', 'left', 'held', 'scheduled', 'retry', 'queue'] as const;
type Mark = Exclude<(typeof marks)[number], ''>;
/** Entries that are read at once. */
const stride = 1_000;
/** For how long what workers were seen to run is taken for what they run, in ms: a worker says so about once a second. */
const freshFor = 3_000;

/**
 * Looks for signs of life of jobs that look hung: in what live workers run, and in every place from which a job can still
 * be run. However many candidates there are, each place is walked once, and what is kept of a candidate are a few bytes.
 */
export interface Search {
  /** Evidence of those that a worker of a live pool runs, one after the other; undefined for the others. */
  observed(jobs: readonly Facts[]): Promise<(Evidence | undefined)[]>;
  /** Notes jobs of which entries are to be looked for. */
  add(jobs: readonly Facts[]): void;
  /** Whether it is time to look before more are noted. */
  readonly isFull: boolean;
  /** Looks for all that are noted. After an error it may be called again. */
  run(): Promise<void>;
  /** What was found of a job that was noted. */
  evidenceOf(facts: Facts): Evidence;
}

export const createSearch = ({
  connection,
  keys,
  pools,
  seed,
}: {
  connection: Connection;
  keys: Keys;
  pools: Pools;
  seed: number;
}): Search => {
  const { redis } = connection;
  const table = new IdTable(seed);
  const types = new Set<string>();
  let observations = new Map<string, Observation>();
  let observedAt = Number.NEGATIVE_INFINITY;

  const observe = async ({ pools: states }: PoolSurvey) => {
    const seen = await readObservations(
      connection,
      keys,
      states.filter(({ isAlive }) => isAlive),
    );
    observations = new Map(seen.map((observation) => [observation.job, observation]));
    observedAt = performance.now();
  };

  const note = (entries: readonly string[], mark: Mark) => {
    const weight = marks.indexOf(mark);
    for (const entry of entries) {
      const id = jobOf(entry);
      // A job may have a second entry, from an attempt before: the one that can still run counts. Marks stand in that order.
      if (id !== undefined) table.raise(id, weight);
    }
  };

  /** From the head, where entries are pushed, to the tail, where they are taken: what is pushed meanwhile moves those that stay towards what is yet to be read, so none is skipped. */
  const walkList = async (key: string, mark: Mark) => {
    let next = redis.lrange(key, 0, stride - 1);
    for (let from = stride; ; from += stride) {
      const entries = await next;
      if (entries.length < stride) return note(entries, mark);
      next = redis.lrange(key, from, from + stride - 1);
      next.catch(() => undefined); // It is awaited next.
      note(entries, mark);
    }
  };

  const walkSet = async (key: string, mark: Mark) => {
    let cursor = '0';
    do {
      const [after, pairs] = await redis.zscan(key, cursor, 'COUNT', stride);
      note(
        pairs.filter((_, i) => i % 2 === 0),
        mark,
      );
      cursor = after;
    } while (cursor !== '0');
  };

  /** Lists of all pools that are known, live or dead. */
  const walkHeld = async ({ pools: states, lists }: PoolSurvey) => {
    const held = new Map(lists.map(([type, pool]) => [keys.inProgress(type, pool), pool]));
    for (const type of types) for (const { pool } of states) held.set(keys.inProgress(type, pool), pool);
    const alive = new Set(states.filter(({ isAlive }) => isAlive).map(({ pool }) => pool));
    for (const [key, pool] of held) await walkList(key, alive.has(pool) ? 'held' : 'left').catch(passOver(key));
  };

  /** A place that is not what it should be: whoever was not found elsewhere may be in it. */
  let unreadable: string[] = [];
  const passOver = (key: string) => (error: Error) => {
    if (!error.message.startsWith('WRONGTYPE')) throw error;
    unreadable.push(key);
  };

  return {
    async observed(jobs) {
      if (performance.now() - observedAt > freshFor) await observe(await pools.survey(false));
      return jobs.map(({ id }) => observationOf(id));
    },

    add(jobs) {
      for (const { id, name } of jobs) {
        table.add(id, marks.indexOf('nowhere'));
        if (name) types.add(name);
      }
    },

    get isFull() {
      return table.isFull;
    },

    /**
     * In the order in which entries move: out of scheduled and retry into a queue, from there into an in-progress list,
     * from there into a queue again when their pool dies. So lists are walked before and after the queues, and an entry
     * that moves while this goes on is met in one place or another. (One that was run meanwhile has another status, and is
     * not what was judged.)
     */
    async run() {
      unreadable = [];
      await walkHeld(await pools.survey(false));
      await walkSet(keys.scheduled, 'scheduled').catch(passOver(keys.scheduled));
      await walkSet(keys.retry, 'retry').catch(passOver(keys.retry));
      await walkSet(keys.dead, 'dead').catch(passOver(keys.dead));
      for (const type of types) await walkList(keys.queue(type), 'queue').catch(passOver(keys.queue(type)));
      const survey = await pools.survey(false);
      await walkHeld(survey);
      await observe(survey);
    },

    evidenceOf({ id }) {
      const observation = observationOf(id);
      if (observation !== undefined) return observation;
      const found = marks[table.get(id)] || 'nowhere';
      const isLost = found === 'nowhere' || found === 'dead' || found === 'left';
      return { found: isLost && unreadable.length > 0 ? 'unreadable' : found, lookedIn: evidencePlaces };
    },
  };

  function observationOf(id: string): Evidence | undefined {
    const observation = observations.get(id);
    if (observation === undefined) return undefined;
    const { pool, startedAt } = observation;
    return { found: 'observed', lookedIn: evidencePlaces.slice(0, 1), pool, startedAt };
  }
};
