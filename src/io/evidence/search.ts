import { type Evidence, evidencePlaces, type Facts } from '../../machines/facts.ts';
import { IdTable } from '../jobs/idTable.ts';
import { type Observation, readObservations } from '../pools/observations.ts';
import type { Registry } from '../pools/registry.ts';
import type { Pools } from '../pools/rescue.ts';
import type { Deps } from '../redis/deps.ts';
import { type EntryPlace, type Standing, standingOf } from './lists.ts';
import { type PlaceVisitor, walkPlaces } from './places.ts';

/** Marks of candidates in the table: not found yet, or where the entry is. A later mark outranks an earlier one. */
const marks = ['', 'nowhere', 'dead', 'left', 'unconfirmed', 'held', 'scheduled', 'retry', 'queue'] as const;
type Mark = Exclude<(typeof marks)[number], ''>;
/** How long observations are reused, in ms. A worker writes its observation about once a second. */
const freshFor = 3_000;

const heldMarks: Readonly<Record<Standing, Mark>> = { alive: 'held', unconfirmed: 'unconfirmed', dead: 'left' };
const markOf = (place: EntryPlace): Mark => (place.kind === 'held' ? heldMarks[place.standing] : place.kind);

/** An observation, with the state of its pool. */
export interface SeenObservation extends Observation {
  readonly standing: Standing;
}

/**
 * Looks for signs of life of jobs that look hung: in observations, and in every place from which a job can still run. It walks
 * each place once, however many candidates there are, and keeps a few bytes of each candidate.
 */
export interface Search {
  /** The evidence of each job that a worker is observed to run; undefined for the others. */
  observed(jobs: readonly Facts[]): Promise<(Evidence | undefined)[]>;
  /** Adds candidates: jobs whose entries the walk will look for. */
  add(jobs: readonly Facts[]): void;
  /** Whether the walk has to run before more candidates are added. */
  readonly isFull: boolean;
  /** Walks every place for all candidates. After an error it may be called again. */
  run(): Promise<void>;
  /** The evidence of a candidate after the walk. */
  evidenceOf(facts: Facts): Evidence;
  /** The observations as of the last read. */
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
  /** Visits everything that is read. */
  visitor?: PlaceVisitor;
  /** Records suspected pools, so that the next pass can confirm their death. Left out for a plan. */
  noted?: Pick<Pools, 'recordStates'>;
  /** A monotonic clock in ms. */
  monotonic?: () => number;
}): Search => {
  const table = new IdTable(seed);
  const types = new Set<string>();
  let seen: readonly SeenObservation[] = [];
  let observations = new Map<string, SeenObservation>();
  let observedAt = Number.NEGATIVE_INFINITY;
  let unreadable: readonly string[] = [];
  /** Keys of observations that can't be read: what these workers run is unknown. */
  let unreadableWorkers: readonly string[] = [];

  /** Adds the observations. A pool that missed a heartbeat still runs its jobs; those of a confirmed dead pool don't count. */
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
      // If two pools report the same job, the live pool counts.
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
            // A job may have a second entry, from an earlier attempt. The one that can still run counts: marks are in that order.
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
    // Only a live pool proves how long the job has been running: another one may have died meanwhile.
    const since = standing === 'alive' ? { startedAt } : {};
    return { found: 'observed', lookedIn: evidencePlaces.slice(0, 1), pool, ...since };
  }
};
