import type { AnyActor, InspectionEvent } from 'xstate';
import { charts } from '../src/charts.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import { ActorFollower } from './actors.ts';
import { type ChartTally, createChartTally } from './chartTally.ts';
import { createPasses } from './passes.ts';
import { createPoolTraces } from './poolTraces.ts';
import { type About, type ChartName, chartNames, type FaultRow, type Parts, type Rings } from './protocol.ts';
import { createRing, type Ring } from './ring.ts';
import { shorten } from './safe.ts';
import { createTraces, type Traces } from './traces.ts';

/** What the inspector knows of a reaper. All of it is bounded: counts, the latest 1,000 rows of each list, running actors. */
export interface Recorder {
  readonly traces: Traces;
  readonly charts: About['charts'];
  /** Takes an inspection event of an actor. Never throws: an inspector that throws would end the reaper. */
  next(event: InspectionEvent): void;
  parts(): Parts;
  /** Reads what only Redis knows, for the next call of `parts`. */
  refresh(): Promise<void>;
  /** The rows that were added after a mark; all rows without one. */
  rings(since?: Mark): Rings;
  mark(): Mark;
}

/** The number of the latest row of each kind. */
export interface Mark {
  readonly traces: number;
  readonly pools: number;
  readonly faults: number;
}

const maxFaults = 1_000;
/** Pools without an actor that are named; all of them are counted. */
const maxWaiting = 100;

export const createRecorder = (inspected: Inspected): Recorder => {
  const { clock, fault } = inspected;
  const tallies = forEachChart((name) => createChartTally(charts[name]));
  const traces = createTraces(tallies.job, clock);
  inspected.follow(traces.isFollowed);
  const passes = createPasses(inspected, () => {
    tallies.job.reset();
    tallies.lane.reset();
  });
  const pools = createPoolTraces(tallies.pool, clock);
  const actors = new ActorFollower(inspected, tallies, traces, pools);
  const faults = recordFaults(inspected);

  let isBroken = false;
  return {
    traces,
    charts: forEachChart((name) => tallies[name].index),
    next(event) {
      if (isBroken) return;
      try {
        if (event.type === '@xstate.microstep') actors.stepped(event);
        else if (event.type === '@xstate.actor') actors.created(event.actorRef as AnyActor);
      } catch (error) {
        isBroken = true; // It reports this once, and counts no further.
        fault('the inspector', `it cannot follow the actors any more: ${(error as Error).message}`);
      }
    },
    parts: () => ({
      charts: forEachChart((name) => tallies[name].counts()),
      sweep: passes.sweep(),
      rescue: passes.rescue(actors.pools(), waitingPools(inspected, tallies.pool)),
      lanes: { total: actors.laneCount(), working: traces.working() },
      hooks: passes.hooks(),
    }),
    refresh: passes.refresh,
    rings: (since = { traces: 0, pools: 0, faults: 0 }) => ({
      acts: traces.acts(since.traces),
      healthy: traces.healthy(since.traces),
      pools: pools.rows(since.pools),
      faults: faults.rows(since.faults),
    }),
    mark: () => ({ traces: traces.last, pools: pools.last, faults: faults.last() }),
  };
};

const forEachChart = <T>(of: (name: ChartName) => T): Readonly<Record<ChartName, T>> =>
  Object.fromEntries(chartNames.map((name) => [name, of(name)])) as Record<ChartName, T>;

const recordFaults = ({ reaper, clock }: Inspected) => {
  const faults: Ring<FaultRow> = createRing(maxFaults);
  let last = 0;
  reaper.on('error', ({ where, message }) =>
    faults.push({ number: ++last, at: clock.now(), where: shorten(where), error: shorten(message) }),
  );
  return {
    rows: (since: number) => faults.newest(({ number }) => number > since),
    last: () => last,
  };
};

/** Pools that have no actor yet: they wait for the end of their grace, or for a free slot. */
const waitingPools = ({ now }: Inspected, tally: ChartTally): { count: number; pools: Parts['rescue']['pools'] } => {
  const waiting = now().waitingPools;
  const state = tally.index.states[tally.initial] as string;
  return {
    count: waiting.length,
    pools: waiting.slice(0, maxWaiting).map(({ pool, since }) => ({ pool: shorten(pool), since, state })),
  };
};
