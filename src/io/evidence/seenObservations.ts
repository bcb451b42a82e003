import { type Evidence, evidencePlaces } from '../../machines/facts.ts';
import { type Observation, readObservations } from '../pools/observations.ts';
import type { Registry } from '../pools/registry.ts';
import type { Deps } from '../redis/deps.ts';
import { type Standing, standingOf } from './lists.ts';

/** An observation, with the state of its pool. */
export interface SeenObservation extends Observation {
  readonly standing: Standing;
}

/** What the workers were observed to run when that was last read. */
export class SeenObservations {
  readonly #deps: Pick<Deps, 'connection' | 'keys'>;
  #all: readonly SeenObservation[] = [];
  #byJob = new Map<string, SeenObservation>();
  /** Keys that cannot be read: what these workers run is unknown. */
  #unreadable: readonly string[] = [];

  constructor(deps: Pick<Deps, 'connection' | 'keys'>) {
    this.#deps = deps;
  }

  get all(): readonly SeenObservation[] {
    return this.#all;
  }

  get isAnyUnreadable(): boolean {
    return this.#unreadable.length > 0;
  }

  /** Reads them. A pool that missed a heartbeat still runs its jobs; those of a confirmed dead pool don't count. */
  async read({ pools: states, arePoolsReadable }: Registry): Promise<void> {
    const { connection, keys } = this.#deps;
    const faults = arePoolsReadable ? [] : [keys.pools];
    for (const { pool, isReadable } of states) if (!isReadable) faults.push(keys.heartbeat(pool));
    const standings = new Map(states.map((state) => [state.pool, standingOf(state)]));
    const found = await readObservations(
      connection,
      keys,
      states.filter((state) => standingOf(state) !== 'dead'),
      (key) => faults.push(key),
    );
    this.#unreadable = faults;
    this.#all = found.map((observation) => ({
      ...observation,
      standing: standings.get(observation.pool) ?? 'unconfirmed',
    }));
    const observations = new Map<string, SeenObservation>();
    for (const observation of this.#all) {
      // If two pools report the same job, the live pool counts.
      if (observations.get(observation.job)?.standing !== 'alive') observations.set(observation.job, observation);
    }
    this.#byJob = observations;
  }

  /** The evidence of a job that a worker is observed to run; undefined for the others. */
  evidenceOf(id: string): Evidence | undefined {
    const observation = this.#byJob.get(id);
    if (observation === undefined) return undefined;
    const { pool, startedAt, standing } = observation;
    // Only a live pool proves how long the job has been running: another one may have died meanwhile.
    const since = standing === 'alive' ? { startedAt } : {};
    return { found: 'observed', lookedIn: evidencePlaces.slice(0, 1), pool, ...since };
  }
}
