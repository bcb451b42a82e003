import type { PoolOutcome } from '../src/machines/types/pool.ts';
import type { Clock } from '../src/reaper/inspection.ts';
import type { ChartTally } from './chartTally.ts';
import type { PoolRow } from './protocol.ts';
import { createRing, type Ring } from './ring.ts';
import { safeMoved, shorten } from './safe.ts';

/** The traces of suspected pools: of those that have an actor now, and the latest 1,000 that have ended. */
export interface PoolTraces {
  begin(slot: string, pool: string): void;
  step(slot: string, state: number): void;
  /** The pool's actor has ended: with the pool's outcome, to be started again after another grace, or with its rescue. */
  end(slot: string, output: PoolOutcome | { readonly again: unknown } | undefined): void;
  /** The slots of the actors that work on a pool. */
  slotsOf(pool: string): string[];
  /** Pools that have an actor now. */
  current(): { readonly slot: string; readonly pool: string; readonly since: number }[];
  /** Rows of the traces that ended after the one with this number. */
  rows(since: number): PoolRow[];
  /** The number of the latest trace that has ended. */
  readonly last: number;
}

const maxRecorded = 1_000;
/** Steps of a pool that are recorded: one with many entries enters `requeue` again and again. */
const maxSteps = 32;

export const createPoolTraces = (tally: ChartTally, clock: Clock): PoolTraces => {
  const ended: Ring<PoolRow> = createRing(maxRecorded);
  const slots = new Map<string, { pool: string; since: number; steps: { state: string; at: number }[] }>();
  let last = 0;
  const stepTo = (state: number, at: number) => ({ state: tally.index.states[state] as string, at });

  return {
    begin(slot, pool) {
      const at = clock.now();
      slots.set(slot, { pool: shorten(pool), since: at, steps: [stepTo(tally.initial, at)] });
    },
    step(slot, state) {
      const steps = slots.get(slot)?.steps;
      if (steps === undefined) return;
      steps.push(stepTo(state, clock.now()));
      if (steps.length > maxSteps) steps.splice(1, 1);
    },
    end(slot, output) {
      const steps = slots.get(slot)?.steps;
      slots.delete(slot);
      if (steps === undefined || output === undefined || 'again' in output) return;
      ended.push({ number: ++last, at: clock.now(), ...safePool(output), steps });
    },
    slotsOf: (pool) => [...slots].filter(([, held]) => held.pool === shorten(pool)).map(([slot]) => slot),
    current: () => [...slots].map(([slot, { pool, since }]) => ({ slot, pool, since })),
    rows: (since) => ended.newest(({ number }) => number > since),
    get last() {
      return last;
    },
  };
};

const safePool = ({ pool, outcome, evidence, moved, entries, quarantined, error }: PoolOutcome) => ({
  pool: shorten(pool),
  outcome,
  evidence: shorten(evidence),
  moved: safeMoved(moved),
  entries,
  quarantined,
  ...(error === undefined ? {} : { error: shorten(error) }),
});
