import type { AnyMachineSnapshot, AnyStateMachine, AnyTransitionDefinition } from 'xstate';
import { labelOf, nodesOf, transitionsOf } from './charts/graph.ts';
import type { ChartCounts, ChartIndex } from './protocol.ts';

/** Counts what happens in a chart, over all its actors, by the index of a state or a transition. */
export interface ChartTally {
  readonly index: ChartIndex;
  /** Index of the initial state of a chart without nested states. */
  readonly initial: number;
  /** Index of a transition that was taken, in any copy of the machine. */
  transition(taken: AnyTransitionDefinition): number;
  /** Index of the state that a chart without nested states is in. */
  stateOf(snapshot: AnyMachineSnapshot): number;
  take(transition: number): void;
  enter(state: number): void;
  /** An actor has changed its state. `from` is undefined for a new actor, `to` for one that has ended. */
  move(from: number | undefined, to: number | undefined): void;
  counts(): ChartCounts;
  /** Sets all counts to zero, except how many actors are in each state. */
  reset(): void;
}

export const createChartTally = (machine: AnyStateMachine): ChartTally => {
  const states = nodesOf(machine).map(({ id }) => id);
  const indexOfState = new Map(states.map((id, index) => [id, index]));
  /** Snapshot value → index of its state. */
  const indexOfValue = new Map(nodesOf(machine).map((node, index) => [node.path.join('.'), index]));
  /** `provide` copies a machine with all its transitions, in the same order. */
  const indexOfTransition = new WeakMap<AnyTransitionDefinition, number>();
  const learn = (copy: AnyStateMachine) => {
    for (const [index, transition] of transitionsOf(copy).entries()) indexOfTransition.set(transition, index);
  };
  const transitions = transitionsOf(machine);
  const entered = states.map(() => 0);
  const active = states.map(() => 0);
  const taken = transitions.map(() => 0);
  let last: number | undefined;

  return {
    index: {
      states,
      descriptions: nodesOf(machine).map(({ description }) => description ?? ''),
      transitions: transitions.map((transition) => ({
        from: transition.source.id,
        to: transition.target?.[0]?.id,
        label: labelOf(transition),
      })),
    },
    initial: indexOfState.get(machine.root.initial?.target[0]?.id ?? machine.root.id) as number,
    transition(transition) {
      const known = indexOfTransition.get(transition);
      if (known !== undefined) return known;
      learn(transition.source.machine);
      return indexOfTransition.get(transition) as number;
    },
    stateOf: (snapshot) => indexOfValue.get(snapshot.value as string) as number,
    take(transition) {
      taken[transition] = (taken[transition] as number) + 1;
      last = transition;
    },
    enter(state) {
      entered[state] = (entered[state] as number) + 1;
    },
    move(from, to) {
      if (from !== undefined) active[from] = (active[from] as number) - 1;
      if (to !== undefined) active[to] = (active[to] as number) + 1;
    },
    counts: () => ({ entered, active, taken, last }),
    reset() {
      entered.fill(0);
      taken.fill(0);
      last = undefined;
    },
  };
};

/** Indices of the states that a snapshot of a chart with nested states is in. */
export const statesOf = (tally: ChartTally, snapshot: AnyMachineSnapshot): ReadonlySet<number> =>
  new Set(snapshot._nodes.map(({ id }) => tally.index.states.indexOf(id)));
