import { type Evidence, evidencePlaces, type Facts } from '../../machines/facts.ts';
import { IdTable } from '../jobs/idTable.ts';
import { type Observation, readObservations } from '../pools/observations.ts';
import type { Registry } from '../pools/registry.ts';
import type { Pools } from '../pools/rescue.ts';
import type { Deps } from '../redis/deps.ts';
import { type EntryPlace, type PlaceVisitor, type Standing, standingOf, walkPlaces } from './places.ts';

/** What a candidate's mark in the table stands for: not found yet, or where its entry stands; the later ones say more. */
const marks = ['', 'nowhere', 'dead', 'left', 'unconfirmed', 'held', 'scheduled', 'retry', 'queue'] as const;
type Mark = Exclude<(typeof marks)[number], ''>;
/** For how long what workers were seen to run is taken for what they run, in ms: a worker says so about once a second. */
const freshFor = 3_000;

const heldMarks: Readonly<Record<Standing, Mark>> = { alive: 'held', unconfirmed: 'unconfirmed', dead: 'left' };
const markOf = (place: EntryPlace): Mark => (place.kind === 'held' ? heldMarks[place.standing] : place.kind);

/** What a worker of a pool says that it runs, and what is known of the pool. */
export interface SeenObservation extends Observation {
  readonly standing: Standing;
}

/**
 * Looks for signs of life of jobs that look hung: in what live workers run, and in every place from which a job can still
 * be run. However many candidates there are, each place is walked once, and what is kept of a candidate are a few bytes.
 */
export interface Search {
  /** Evidence of those that a worker runs, one after the other; undefined for the others. */
  observed(jobs: readonly Facts[]): Promise<(Evidence | undefined)[]>;
  /** Notes jobs of which entries are to be looked for. */
  add(jobs: readonly Facts[]): void;
  /** Whether it is time to look before more are noted. */
  readonly isFull: boolean;
  /** Looks for all that are noted. After an error it may be called again. */
  run(): Promise<void>;
  /** What was found of a job that was noted. */
  evidenceOf(facts: Facts): Evidence;
  /** What workers were seen to run when that was last asked for. */
  observations(): readonly SeenObservation[];
}

export const createSearch = ({
  connection,
  keys,
  pools,
  seed,
  visitor,
  noted,
  monotonic = () => performance.now(),
}: Pick<Deps, 'connection' | 'keys'> & {
  pools: Pools;
  seed: number;
  /** Sees all that is read. */
  visitor?: PlaceVisitor;
  /** Keeps how the pools look, so that the death of one can be confirmed by the next look. Not for a plan. */
  noted?: Pick<Pools, 'recordStates'>;
  /** In ms, from anywhere; it never jumps. */
  monotonic?: () => number;
}): Search => {
  const table = new IdTable(seed);
  const types = new Set<string>();
  let seen: readonly SeenObservation[] = [];
  let observations = new Map<string, SeenObservation>();
  let observedAt = Number.NEGATIVE_INFINITY;
  let unreadable: readonly string[] = [];
  /** Of workers: what they run, nobody can say. */
  let unreadableWorkers: readonly string[] = [];

  /** A pool that only missed a beat still runs its jobs; what a pool is known to have died with says nothing. */
  const observe = async ({ pools: states, arePoolsReadable }: Registry) => {
    const faults = arePoolsReadable ? [] : [keys.pools];
    for (const { pool, isReadable } of states) if (!isReadable) faults.push(keys.heartbeat(pool));
    const standings = new Map(states.map((state) => [state.pool, standingOf(state)]));
    const found = await readObservations(
      connection,
      keys,
      states.filter((state) => standingOf(state) !== 'dead'),
      (key) => faults.push(key),
    );
    unreadableWorkers = faults;
    seen = found.map((observation) => ({
      ...observation,
      standing: standings.get(observation.pool) ?? 'unconfirmed',
    }));
    observations = new Map();
    for (const observation of seen) {
      // That of a live pool counts where two pools say the same.
      if (observations.get(observation.job)?.standing !== 'alive') observations.set(observation.job, observation);
    }
    observedAt = monotonic();
  };

  return {
    async observed(jobs) {
      if (monotonic() - observedAt > freshFor) await observe(await pools.readRegistry(false));
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

    async run() {
      const walked = await walkPlaces({ connection, keys, pools }, types, {
        entries(place, ids, from, scores) {
          const weight = marks.indexOf(markOf(place));
          for (const id of ids) {
            // A job may have a second entry, from an attempt before: the one that can still run counts. Marks stand in that order.
            if (id !== '') table.raise(id, weight);
          }
          visitor?.entries(place, ids, from, scores);
        },
        listEnd: (place, length) => visitor?.listEnd?.(place, length),
      });
      unreadable = walked.unreadable;
      await noted?.recordStates(walked.survey.pools);
      await observe(walked.survey);
    },

    evidenceOf({ id }) {
      const observation = observationOf(id);
      if (observation !== undefined) return observation;
      const found = marks[table.get(id)] || 'nowhere';
      const isAnyUnreadable = unreadable.length > 0 || unreadableWorkers.length > 0;
      const isLost = found === 'nowhere' || found === 'dead' || found === 'left';
      return { found: isLost && isAnyUnreadable ? 'unreadable' : found, lookedIn: evidencePlaces };
    },

    observations: () => seen,
  };

  function observationOf(id: string): Evidence | undefined {
    const observation = observations.get(id);
    if (observation === undefined) return undefined;
    const { pool, startedAt, standing } = observation;
    // How long it has been running is only known of a pool that is alive: another one may have died meanwhile.
    const since = standing === 'alive' ? { startedAt } : {};
    return { found: 'observed', lookedIn: evidencePlaces.slice(0, 1), pool, ...since };
  }
};
