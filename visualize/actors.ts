import type { AnyActor, AnyMachineSnapshot, AnyStateMachine, InspectionEvent } from 'xstate';
import type { Inspected } from '../src/index.ts';
import type { ChartTally } from './chartTally.ts';
import type { PoolTraces } from './poolTraces.ts';
import { type ChartName, chartNames } from './protocol.ts';
import type { Traces } from './traces.ts';

type Tallies = Readonly<Record<ChartName, ChartTally>>;

/** Counts what the actors do in their charts. Actors that exist already are counted in the states where they are now. */
export const followActors = (
  { reaper, supervisor }: Inspected,
  tallies: Tallies,
  traces: Traces,
  pools: PoolTraces,
) => {
  const nameOf = createChartNames();
  const current = createPositions();
  /** Actor → its chart. */
  const owners = new Map<string, ChartName>();

  /** Also for a job whose chart or lane broke: such a job ends without a step. */
  const leaveLane = (lane: string) => {
    current.move(tallies.job, `job in ${lane}`, undefined);
    traces.leave(lane);
  };

  const created = (actor: AnyActor) => {
    const name = nameOf(actor.logic as AnyStateMachine);
    if (name === undefined) return;
    if (name === 'job') {
      const lane = laneOf(actor);
      traces.begin(actor, lane);
      if (lane !== undefined) current.move(tallies.job, `job in ${lane}`, tallies.job.initial);
      return;
    }
    if (name === 'lane') leaveLane(actor.id);
    owners.set(actor.id, name);
    tallies[name].enter(tallies[name].initial);
    current.move(tallies[name], actor.id, tallies[name].initial);
    if (name !== 'pool') return;
    const { suspect } = actor.options.input as unknown as { suspect: { pool: string } };
    pools.begin(actor.id, suspect.pool);
  };

  const jobStepped = (actor: AnyActor, snapshot: AnyMachineSnapshot, { event, _transitions: taken }: Microstep) => {
    const lane = laneOf(actor);
    for (const transition of taken) traces.step(actor, lane, snapshot, event.type, transition);
    if (lane === undefined) return;
    const state = snapshot.status === 'active' ? tallies.job.stateOf(snapshot) : undefined;
    current.move(tallies.job, `job in ${lane}`, state);
  };

  /** A crashed child has ended without a step. If another actor replaces it, that one is counted already. */
  const childCrashed = (snapshot: AnyMachineSnapshot, { actorId }: { readonly actorId: string }) => {
    const name = owners.get(actorId);
    if (name !== undefined && snapshot.children[actorId] === undefined) current.move(tallies[name], actorId, undefined);
  };

  const stepped = (event: Microstep) => {
    const actor = event.actorRef as AnyActor;
    const snapshot = event.snapshot as AnyMachineSnapshot;
    const name = nameOf(snapshot.machine);
    if (name === undefined) return;
    if (name === 'job') return jobStepped(actor, snapshot, event);
    const tally = tallies[name];
    const state = tally.stateOf(snapshot);
    const from = current.of(actor.id);
    for (const transition of event._transitions) tally.take(tally.transition(transition));
    const isReentered = event._transitions.some(({ target, reenter }) => target !== undefined && reenter);
    if (state !== from || isReentered) tally.enter(state, from);
    if (name === 'lane' && state === tally.initial) leaveLane(actor.id);
    current.move(tally, actor.id, snapshot.status === 'active' ? state : undefined);
    if (event.event.type.startsWith('xstate.error.actor.')) {
      childCrashed(snapshot, event.event as unknown as { actorId: string });
    }
    if (name !== 'pool') return;
    pools.step(actor.id, state);
    if (snapshot.status !== 'active') pools.end(actor.id, snapshot.output);
  };

  /** Counts an actor that exists already, and everything below it. A job that acts already is not followed. */
  const found = (actor: AnyActor) => {
    const name = nameOf(actor.logic as AnyStateMachine);
    if (name === undefined || name === 'job') return;
    created(actor);
    const snapshot = actor.getSnapshot() as AnyMachineSnapshot;
    current.move(tallies[name], actor.id, tallies[name].stateOf(snapshot));
    for (const child of Object.values<AnyActor>(snapshot.children)) found(child);
  };
  found(supervisor as AnyActor);

  // A pool whose chart broke has ended without a step.
  reaper.on('pool', (outcome) => {
    for (const slot of pools.slotsOf(outcome.pool)) {
      current.move(tallies.pool, slot, undefined);
      pools.end(slot, outcome);
    }
  });

  return {
    created,
    stepped,
    pools: () =>
      pools.current().map(({ slot, pool, since }) => ({
        pool,
        since,
        state: tallies.pool.index.states[current.of(slot) ?? tallies.pool.initial] as string,
      })),
    laneCount: () => current.count('lane-'),
  };
};

type Microstep = Extract<InspectionEvent, { type: '@xstate.microstep' }>;

const laneOf = (job: AnyActor): string | undefined => {
  const id = (job._parent as AnyActor | undefined)?.id;
  return id?.startsWith('lane-') ? id : undefined;
};

/** Tells which chart a machine is a copy of; undefined for other actor logic. A reaper has as many machines as charts. */
const createChartNames = () => {
  const names = new Map<AnyStateMachine, ChartName | undefined>();
  return (machine: AnyStateMachine): ChartName | undefined => {
    if (machine.root === undefined) return undefined;
    if (!names.has(machine)) {
      names.set(
        machine,
        chartNames.find((known) => known === machine.id),
      );
    }
    return names.get(machine);
  };
};

/** The state of each actor, by a key from a fixed set: a lane, a slot of a pool, or a job in a lane. */
const createPositions = () => {
  const states = new Map<string, number>();
  return {
    /** @param to undefined for an actor that has ended. */
    move(tally: ChartTally, key: string, to: number | undefined) {
      tally.move(states.get(key), to);
      if (to === undefined) states.delete(key);
      else states.set(key, to);
    },
    of: (key: string) => states.get(key),
    count: (prefix: string) => [...states.keys()].filter((key) => key.startsWith(prefix)).length,
  };
};
