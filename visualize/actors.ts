import type { AnyActor, AnyMachineSnapshot, AnyStateMachine, InspectionEvent } from 'xstate';
import type { Inspected } from '../src/reaper/inspection.ts';
import type { ChartTally } from './chartTally.ts';
import type { PoolTraces } from './poolTraces.ts';
import { type ChartName, chartNames } from './protocol.ts';
import type { Traces } from './traces.ts';

type Tallies = Readonly<Record<ChartName, ChartTally>>;

/** Counts what the actors do in their charts. Actors that exist already are counted in the states where they are now. */
export class ActorFollower {
  readonly #tallies: Tallies;
  readonly #traces: Traces;
  readonly #pools: PoolTraces;
  readonly #nameOf = createChartNames();
  readonly #current = createPositions();
  /** Actor → its chart. */
  readonly #owners = new Map<string, ChartName>();

  constructor({ reaper, supervisor }: Inspected, tallies: Tallies, traces: Traces, pools: PoolTraces) {
    this.#tallies = tallies;
    this.#traces = traces;
    this.#pools = pools;
    this.#found(supervisor as AnyActor);
    // A pool whose chart broke has ended without a step.
    reaper.on('pool', (outcome) => {
      for (const slot of pools.slotsOf(outcome.pool)) {
        this.#current.move(tallies.pool, slot, undefined);
        pools.end(slot, outcome);
      }
    });
  }

  created(actor: AnyActor): void {
    const name = this.#nameOf(actor.logic as AnyStateMachine);
    if (name === undefined) return;
    const tally = this.#tallies[name];
    if (name === 'job') {
      const lane = laneOf(actor);
      this.#traces.begin(actor, lane);
      if (lane !== undefined) this.#current.move(tally, `job in ${lane}`, tally.initial);
      return;
    }
    if (name === 'lane') this.#leaveLane(actor.id);
    this.#owners.set(actor.id, name);
    tally.enter(tally.initial);
    this.#current.move(tally, actor.id, tally.initial);
    if (name !== 'pool') return;
    const { suspect } = actor.options.input as unknown as { suspect: { pool: string } };
    this.#pools.begin(actor.id, suspect.pool);
  }

  stepped(event: Microstep): void {
    const actor = event.actorRef as AnyActor;
    const snapshot = event.snapshot as AnyMachineSnapshot;
    const name = this.#nameOf(snapshot.machine);
    if (name === undefined) return;
    if (name === 'job') this.#jobStepped(actor, snapshot, event);
    else this.#actorStepped(name, actor, snapshot, event);
  }

  pools() {
    const { pool: tally } = this.#tallies;
    return this.#pools.current().map(({ slot, pool, since }) => ({
      pool,
      since,
      state: tally.index.states[this.#current.of(slot) ?? tally.initial] as string,
    }));
  }

  laneCount(): number {
    return this.#current.count('lane-');
  }

  /** Counts an actor that exists already, and everything below it. A job that acts already is not followed. */
  #found(actor: AnyActor): void {
    const name = this.#nameOf(actor.logic as AnyStateMachine);
    if (name === undefined || name === 'job') return;
    this.created(actor);
    const snapshot = actor.getSnapshot() as AnyMachineSnapshot;
    this.#current.move(this.#tallies[name], actor.id, this.#tallies[name].stateOf(snapshot));
    for (const child of Object.values<AnyActor>(snapshot.children)) this.#found(child);
  }

  #actorStepped(name: ChartName, actor: AnyActor, snapshot: AnyMachineSnapshot, event: Microstep): void {
    const tally = this.#tallies[name];
    const state = tally.stateOf(snapshot);
    const from = this.#current.of(actor.id);
    for (const transition of event._transitions) tally.take(tally.transition(transition));
    const isReentered = event._transitions.some(({ target, reenter }) => target !== undefined && reenter);
    if (state !== from || isReentered) tally.enter(state, from);
    if (name === 'lane' && state === tally.initial) this.#leaveLane(actor.id);
    this.#current.move(tally, actor.id, snapshot.status === 'active' ? state : undefined);
    if (event.event.type.startsWith('xstate.error.actor.')) {
      this.#childCrashed(snapshot, event.event as unknown as { actorId: string });
    }
    if (name !== 'pool') return;
    this.#pools.step(actor.id, state);
    if (snapshot.status !== 'active') this.#pools.end(actor.id, snapshot.output);
  }

  #jobStepped(actor: AnyActor, snapshot: AnyMachineSnapshot, { event, _transitions: taken }: Microstep): void {
    const lane = laneOf(actor);
    for (const transition of taken) this.#traces.step(actor, lane, snapshot, event.type, transition);
    if (lane === undefined) return;
    const { job: tally } = this.#tallies;
    this.#current.move(tally, `job in ${lane}`, snapshot.status === 'active' ? tally.stateOf(snapshot) : undefined);
  }

  /** Also for a job whose chart or lane broke: such a job ends without a step. */
  #leaveLane(lane: string): void {
    this.#current.move(this.#tallies.job, `job in ${lane}`, undefined);
    this.#traces.leave(lane);
  }

  /** A crashed child has ended without a step. If another actor replaces it, that one is counted already. */
  #childCrashed(snapshot: AnyMachineSnapshot, { actorId }: { readonly actorId: string }): void {
    const name = this.#owners.get(actorId);
    if (name === undefined || snapshot.children[actorId] !== undefined) return;
    this.#current.move(this.#tallies[name], actorId, undefined);
  }
}

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
