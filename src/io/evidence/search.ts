import { type Evidence, evidencePlaces, type Facts } from '../../machines/facts.ts';
import { IdTable } from '../jobs/idTable.ts';
import type { Pace } from '../jobs/pace.ts';
import type { Registry } from '../pools/registry.ts';
import type { Pools } from '../pools/rescue.ts';
import type { Deps } from '../redis/deps.ts';
import type { EntryPlace, Standing } from './lists.ts';
import { type PlaceVisitor, walkPlaces } from './places.ts';
import { type SeenObservation, SeenObservations } from './seenObservations.ts';

/** Marks of candidates in the table: not found yet, or where the entry is. A later mark outranks an earlier one. */
const marks = ['', 'nowhere', 'dead', 'left', 'unconfirmed', 'held', 'scheduled', 'retry', 'queue'] as const;
type Mark = Exclude<(typeof marks)[number], ''>;
/** How long observations are reused, in ms. A worker writes its observation about once a second. */
const freshFor = 3_000;

const heldMarks: Readonly<Record<Standing, Mark>> = { alive: 'held', unconfirmed: 'unconfirmed', dead: 'left' };
const markOf = (place: EntryPlace): Mark => (place.kind === 'held' ? heldMarks[place.standing] : place.kind);

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
  /** Walks every place for all candidates, until the signal ends it with an error. After an error it may be called again. */
  run(signal?: AbortSignal): Promise<void>;
  /** The evidence of a candidate after the walk. */
  evidenceOf(facts: Facts): Evidence;
  /** The observations as of the last read. */
  observations(): readonly SeenObservation[];
}

export const createSearch = ({
  connection,
  keys,
  pools,
  pace,
  seed,
  visitor,
  recorder,
  monotonic = () => performance.now(),
}: Pick<Deps, 'connection' | 'keys'> & {
  pools: Pools;
  /** When the walk reads. */
  pace: Pace;
  seed: number;
  /** Visits everything that is read. */
  visitor?: PlaceVisitor;
  /** Records suspected pools, so that the next pass can confirm their death. Left out for a plan. */
  recorder?: Pick<Pools, 'recordStates'>;
  /** A monotonic clock in ms. */
  monotonic?: () => number;
}): Search => {
  const table = new IdTable(seed);
  const types = new Set<string>();
  const seen = new SeenObservations({ connection, keys });
  let observedAt = Number.NEGATIVE_INFINITY;
  let unreadable: readonly string[] = [];

  const observe = async (registry: Registry) => {
    await seen.read(registry);
    observedAt = monotonic();
  };

  return {
    async observed(jobs) {
      if (monotonic() - observedAt > freshFor) await observe(await pools.readRegistry(false));
      return jobs.map(({ id }) => seen.evidenceOf(id));
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

    async run(signal) {
      const walked = await walkPlaces({ connection, keys, pools, pace, signal }, types, {
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
      signal?.throwIfAborted();
      await recorder?.recordStates(walked.survey.pools);
      await observe(walked.survey);
    },

    evidenceOf({ id }) {
      const observation = seen.evidenceOf(id);
      if (observation !== undefined) return observation;
      const found = marks[table.get(id)] || 'nowhere';
      const isAnyUnreadable = unreadable.length > 0 || seen.isAnyUnreadable;
      const isLost = found === 'nowhere' || found === 'dead' || found === 'left';
      return { found: isLost && isAnyUnreadable ? 'unreadable' : found, lookedIn: evidencePlaces };
    },

    observations: () => seen.all,
  };
};
