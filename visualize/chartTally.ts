import type { AnyMachineSnapshot, AnyStateMachine, AnyTransitionDefinition } from 'xstate';
import { labelOf, nodesOf, transitionsOf } from './charts/graph.ts';
import type { ChartCounts, ChartIndex } from './protocol.ts';

/** What happens in a chart, over all its actors, as counts by the index of a state or a transition. */
export interface ChartTally {
  readonly index: ChartIndex;
  /** Index of the state where a flat chart begins. */
  readonly initial: number;
  /** Index of a transition that was taken, in whichever copy of the machine. */
  transition(taken: AnyTransitionDefinition): number;
  /** Index of the state that a chart without nested states is in. */
  stateOf(snapshot: AnyMachineSnapshot): number;
  take(transition: number): void;
  enter(state: number): void;
  /** An actor is in another state now; undefined for one that was not there or is no more. */
  move(from: number | undefined, to: number | undefined): void;
  counts(): ChartCounts;
  /** Begins to count anew. What is active stays so. */
  reset(): void;
}

export const createChartTally = (machine: AnyStateMachine): ChartTally => {
  const states = nodesOf(machine).map(({ id }) => id);
  const indexOfState = new Map(states.map((id, index) => [id, index]));
  /** By the value of a snapshot. */
  const indexOfValue = new Map(nodesOf(machine).map((node, index) => [node.path.join('.'), index]));
  /** `provide` copies a machine with all its transitions; their order is the same. */
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
