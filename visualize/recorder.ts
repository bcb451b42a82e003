import type { AnyActor, AnyMachineSnapshot, AnyStateMachine, InspectionEvent } from 'xstate';
import { charts } from '../src/charts.ts';
import type { PoolOutcome } from '../src/machines/pool.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import { type ChartTally, createChartTally, statesOf } from './chartTally.ts';
import { createPasses } from './passes.ts';
import {
  type About,
  type ChartName,
  chartNames,
  type FaultRow,
  type Parts,
  type PoolRow,
  type Rings,
} from './protocol.ts';
import { createRing, type Ring } from './ring.ts';
import { shorten } from './safe.ts';
import { createTraces, type Traces } from './traces.ts';

/** What the inspector knows of a reaper. All of it is bounded: counts, the last 1,000 of what is listed, what walks now. */
export interface Recorder {
  readonly traces: Traces;
  readonly charts: About['charts'];
  /** Takes what the actors do. Never throws: an inspector that throws would end the reaper. */
  next(event: InspectionEvent): void;
  parts(): Parts;
  /** Reads what only Redis knows, for the next `parts`. */
  look(): Promise<void>;
  /** What has been listed since a mark; without one, all of it. */
  rings(since?: Mark): Rings;
  mark(): Mark;
}

export interface Mark {
  readonly traces: number;
  readonly pools: number;
  readonly faults: number;
}

const kept = 1_000;

export const createRecorder = (inspected: Inspected): Recorder => {
  const { reaper, supervisor, dispatcher, clock, fault, now } = inspected;
  const tallies = Object.fromEntries(chartNames.map((name) => [name, createChartTally(charts[name])])) as Record<
    ChartName,
    ChartTally
  >;
  const traces = createTraces(tallies.job, clock);
  inspected.follow(traces.isFollowed);
  const passes = createPasses(inspected, () => {
    tallies.job.reset();
    tallies.lane.reset();
  });
  const pools: Ring<PoolRow> = createRing(kept);
  const faults: Ring<FaultRow> = createRing(kept);
  let lastPool = 0;
  let lastFault = 0;

  /** Which chart a machine is a copy of. There are as many machines as charts, for the life of the reaper. */
  const names = new Map<AnyStateMachine, ChartName | undefined>();
  const nameOf = (machine: AnyStateMachine): ChartName | undefined => {
    if (names.has(machine)) return names.get(machine);
    const name = chartNames.find((known) => known === machine.id);
    names.set(machine, name);
    return name;
  };
  /** Lane, slot of a pool, or job in a lane → index of its state. Their ids are a fixed set. */
  const current = new Map<string, number>();
  let supervisorIn: ReadonlySet<number> = new Set();
  /** Slot → the pool that is looked at in it. */
  const slots = new Map<string, { pool: string; since: number; steps: { state: string; at: number }[] }>();

  const moveTo = (tally: ChartTally, key: string, to: number | undefined) => {
    tally.move(current.get(key), to);
    if (to === undefined) current.delete(key);
    else current.set(key, to);
  };
  const laneOf = (job: AnyActor): string | undefined => {
    const id = (job._parent as AnyActor | undefined)?.id;
    return id?.startsWith('lane-') ? id : undefined;
  };

  /** A job whose chart broke, or whose lane did, has ended without a step. */
  const leaveLane = (lane: string) => {
    moveTo(tallies.job, `job in ${lane}`, undefined);
    traces.leave(lane);
  };

  const created = (actor: AnyActor) => {
    const machine = actor.logic as AnyStateMachine;
    const name = machine.root === undefined ? undefined : nameOf(machine);
    if (name === undefined || name === 'supervisor' || name === 'dispatcher') return;
    if (name === 'job') {
      const lane = laneOf(actor);
      traces.begin(actor, lane);
      if (lane !== undefined) moveTo(tallies.job, `job in ${lane}`, tallies.job.initial);
      return;
    }
    if (name === 'lane') leaveLane(actor.id);
    tallies[name].enter(tallies[name].initial);
    moveTo(tallies[name], actor.id, tallies[name].initial);
    if (name === 'pool') {
      const { suspect } = actor.options.input as unknown as { suspect: { pool: string } };
      const at = clock.now();
      slots.set(actor.id, {
        pool: shorten(suspect.pool),
        since: at,
        steps: [{ state: tallies.pool.index.states[tallies.pool.initial] as string, at }],
      });
    }
  };

  const stepped = ({
    actorRef,
    snapshot: anySnapshot,
    event,
    _transitions: taken,
  }: Extract<InspectionEvent, { type: '@xstate.microstep' }>) => {
    const snapshot = anySnapshot as AnyMachineSnapshot;
    const name = nameOf(snapshot.machine);
    if (name === undefined) return;
    const actor = actorRef as AnyActor;
    const tally = tallies[name];
    if (name === 'job') {
      const lane = laneOf(actor);
      for (const transition of taken) traces.step(actor, lane, snapshot, event.type, transition);
      if (lane !== undefined)
        moveTo(tally, `job in ${lane}`, snapshot.status === 'active' ? tally.stateOf(snapshot) : undefined);
      return;
    }
    for (const transition of taken) {
      const index = tally.transition(transition);
      tally.take(index);
      if (name !== 'supervisor' && transition.target !== undefined) tally.enter(tally.stateOf(snapshot));
    }
    if (name === 'supervisor') {
      const isIn = statesOf(tally, snapshot);
      for (const state of isIn) {
        if (supervisorIn.has(state)) continue;
        tally.enter(state);
        tally.move(undefined, state);
      }
      for (const state of supervisorIn) if (!isIn.has(state)) tally.move(state, undefined);
      supervisorIn = isIn;
      return;
    }
    const state = tally.stateOf(snapshot);
    if (name === 'lane' && state === tally.initial) leaveLane(actor.id);
    moveTo(tally, name === 'dispatcher' ? name : actor.id, snapshot.status === 'active' ? state : undefined);
    const slot = name === 'pool' ? slots.get(actor.id) : undefined;
    if (slot === undefined) return;
    slot.steps.push({ state: tally.index.states[state] as string, at: clock.now() });
    if (slot.steps.length > maxSteps) slot.steps.splice(1, 1);
    if (snapshot.status !== 'active') endPool(actor.id, snapshot.output);
  };

  const endPool = (slot: string, output: PoolOutcome | { readonly again: unknown }) => {
    // It waits again, and is followed by another actor.
    if ('again' in output) slots.delete(slot);
    else recordPool(slot, output);
  };
  const recordPool = (slot: string, { pool, outcome, evidence, moved, entries, quarantined, error }: PoolOutcome) => {
    const steps = slots.get(slot)?.steps ?? [];
    slots.delete(slot);
    pools.push({
      number: ++lastPool,
      at: clock.now(),
      pool: shorten(pool),
      outcome,
      evidence,
      moved: Object.fromEntries(
        Object.entries(moved)
          .slice(0, maxSteps)
          .map(([type, count]) => [shorten(type), count]),
      ),
      entries,
      quarantined,
      ...(error === undefined ? {} : { error: shorten(error) }),
      steps,
    });
  };

  // What was there before the inspector.
  supervisorIn = statesOf(tallies.supervisor, supervisor.getSnapshot());
  for (const state of supervisorIn) {
    tallies.supervisor.enter(state);
    tallies.supervisor.move(undefined, state);
  }
  tallies.dispatcher.enter(tallies.dispatcher.initial);
  moveTo(tallies.dispatcher, 'dispatcher', tallies.dispatcher.stateOf(dispatcher.getSnapshot()));
  const children = [supervisor, dispatcher].flatMap((actor) => Object.values<AnyActor>(actor.getSnapshot().children));
  for (const child of children) {
    const name =
      (child.logic as AnyStateMachine).root === undefined ? undefined : nameOf(child.logic as AnyStateMachine);
    if (name === undefined) continue;
    created(child);
    moveTo(tallies[name], child.id, tallies[name].stateOf(child.getSnapshot()));
  }

  // One whose chart broke has ended without a step.
  reaper.on('pool', (outcome) => {
    for (const [slot, { pool: held }] of slots) {
      if (held !== shorten(outcome.pool)) continue;
      moveTo(tallies.pool, slot, undefined);
      endPool(slot, outcome);
    }
  });
  reaper.on('error', ({ where, message }) =>
    faults.push({ number: ++lastFault, at: clock.now(), where, error: shorten(message) }),
  );

  /** Those that have no actor yet: they wait out their grace, or for a slot. */
  const waitingPools = (): { count: number; pools: Parts['rescue']['pools'] } => {
    const waiting = now().waitingPools;
    const state = tallies.pool.index.states[tallies.pool.initial] as string;
    return {
      count: waiting.length,
      pools: waiting.slice(0, maxWaiting).map(({ pool, since }) => ({ pool: shorten(pool), since, state })),
    };
  };

  let isBroken = false;
  return {
    traces,
    charts: Object.fromEntries(chartNames.map((name) => [name, tallies[name].index])) as unknown as About['charts'],
    next(event) {
      if (isBroken) return;
      try {
        if (event.type === '@xstate.microstep') stepped(event);
        else if (event.type === '@xstate.actor') created(event.actorRef as AnyActor);
      } catch (error) {
        isBroken = true; // It says so once, and counts no further.
        fault('the inspector', `it can not follow the actors any more: ${(error as Error).message}`);
      }
    },
    parts: () => ({
      charts: Object.fromEntries(
        chartNames.map((name) => [name, tallies[name].counts()]),
      ) as unknown as Parts['charts'],
      sweep: passes.sweep(),
      rescue: passes.rescue(
        [...slots].map(([slot, { pool, since }]) => ({
          pool,
          since,
          state: tallies.pool.index.states[current.get(slot) ?? tallies.pool.initial] as string,
        })),
        waitingPools(),
      ),
      lanes: { total: [...current.keys()].filter((key) => key.startsWith('lane-')).length, working: traces.working() },
      hooks: passes.hooks(),
    }),
    look: passes.look,
    rings: (since = { traces: 0, pools: 0, faults: 0 }) => ({
      acts: traces.acts(since.traces),
      healthy: traces.healthy(since.traces),
      pools: pools.newest(({ number }) => number > since.pools),
      faults: faults.newest(({ number }) => number > since.faults),
    }),
    mark: () => ({ traces: traces.last, pools: lastPool, faults: lastFault }),
  };
};

/** Steps of a pool that are kept: one with many entries goes through `requeue` again and again. */
const maxSteps = 32;
/** Pools without an actor that are named; all are counted. */
const maxWaiting = 100;
