import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, AnyTransitionDefinition, StateValue } from 'xstate';
import { labelOf, nodesOf, transitionsOf } from './charts/graph.ts';
import { partsOf } from './charts/parts.ts';
import type { ChartCounts, ChartIndex } from './protocol.ts';

/** Counts what happens in a chart, over all its actors, by the index of a state or a transition. */
export interface ChartTally {
  readonly index: ChartIndex;
  /** Index of the innermost state in which the chart begins. */
  readonly initial: number;
  /** Index of a transition that was taken, in any copy of the machine. */
  transition(taken: AnyTransitionDefinition): number;
  /** Index of the innermost state of a snapshot. No chart has parallel states. */
  stateOf(snapshot: AnyMachineSnapshot): number;
  take(transition: number): void;
  /** An actor enters a state, and the states around it that it was not in. */
  enter(state: number, from?: number): void;
  /** An actor has changed its innermost state. `from` is undefined for a new actor, `to` for one that has ended. */
  move(from: number | undefined, to: number | undefined): void;
  counts(): ChartCounts;
  /** Sets all counts to zero, except how many actors are in each state. */
  reset(): void;
}

export const createChartTally = (machine: AnyStateMachine): ChartTally => {
  const index = indexOf(machine);
  const indexOfState = new Map(index.states.map((id, at) => [id, at]));
  /** State → itself and the states around it, without the root. */
  const around = nodesOf(machine).map((node) => {
    const path: number[] = [];
    for (let at = node; at.parent !== undefined; at = at.parent) path.push(indexOfState.get(at.id) as number);
    return path;
  });
  const aroundOf = (state: number | undefined) => (state === undefined ? [] : (around[state] as number[]));
  /** Snapshot value → index of its state. */
  const indexOfValue = new Map(nodesOf(machine).map((node, index) => [node.path.join('.'), index]));
  /** `provide` copies a machine with all its transitions, in the same order. */
  const indexOfTransition = new WeakMap<AnyTransitionDefinition, number>();
  const learn = (copy: AnyStateMachine) => {
    for (const [at, transition] of transitionsOf(copy).entries()) indexOfTransition.set(transition, at);
  };
  const entered = index.states.map(() => 0);
  const active = index.states.map(() => 0);
  const taken = index.transitions.map(() => 0);
  let last: number | undefined;

  return {
    index,
    initial: indexOfState.get(initialOf(machine.root).id) as number,
    transition(transition) {
      const known = indexOfTransition.get(transition);
      if (known !== undefined) return known;
      learn(transition.source.machine);
      return indexOfTransition.get(transition) as number;
    },
    stateOf: (snapshot) => indexOfValue.get(pathOf(snapshot.value)) as number,
    take(transition) {
      taken[transition] = (taken[transition] as number) + 1;
      last = transition;
    },
    enter(state, from) {
      const before = aroundOf(from);
      for (const each of aroundOf(state)) {
        if (each === state || !before.includes(each)) entered[each] = (entered[each] as number) + 1;
      }
    },
    move(from, to) {
      for (const each of aroundOf(from)) active[each] = (active[each] as number) - 1;
      for (const each of aroundOf(to)) active[each] = (active[each] as number) + 1;
    },
    counts: () => ({ entered, active, taken, last }),
    reset() {
      entered.fill(0);
      taken.fill(0);
      last = undefined;
    },
  };
};

const indexOf = (machine: AnyStateMachine): ChartIndex => ({
  states: nodesOf(machine).map(({ id }) => id),
  descriptions: nodesOf(machine).map(({ description }) => description ?? ''),
  drawings: partsOf(machine).map(({ name }) => name),
  transitions: transitionsOf(machine).map((transition) => ({
    from: transition.source.id,
    to: transition.target?.[0]?.id,
    label: labelOf(transition),
  })),
});

const initialOf = (node: AnyStateNode): AnyStateNode => {
  const initial = node.type === 'compound' ? node.initial.target[0] : undefined;
  return initial === undefined ? node : initialOf(initial);
};

const pathOf = (value: StateValue): string => {
  if (typeof value === 'string') return value;
  const [[key, inner] = ['', undefined]] = Object.entries(value);
  return inner === undefined ? key : `${key}.${pathOf(inner)}`;
};
