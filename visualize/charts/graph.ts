import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';

/** A state of a chart. */
export interface ChartNode {
  /** xstate's id: the path from the root, such as `job.tracking`. */
  readonly id: string;
  readonly key: string;
  /** `outside`: a state of another part of the chart, shown only as the end of a transition. */
  readonly kind: 'atomic' | 'compound' | 'parallel' | 'final' | 'outside';
  /** Id of the state around it in this chart; undefined if there is none. */
  readonly parent: string | undefined;
  readonly isInitial: boolean;
  /** Whether it is a region of a parallel state, active together with its siblings. */
  readonly isRegion: boolean;
  /** The description in its machine. */
  readonly description: string | undefined;
  /** The actors that it invokes. */
  readonly invokes: readonly string[];
  /** The number of states in it, if another chart shows them. */
  readonly collapsed?: number;
}

/** A transition of a chart. */
export interface ChartEdge {
  /** Index of the transition in the chart. It is the same for every copy of the machine. */
  readonly index: number;
  /** Indices of the transitions that an overview shows as this one: same ends, same label. */
  readonly also?: readonly number[];
  readonly from: string;
  /** Undefined for a transition that has actions but no target. */
  readonly to: string | undefined;
  /** Its event and guard in readable form: `done: confirm [isAlive]`. */
  readonly label: string;
}

export interface ChartGraph {
  readonly name: string;
  readonly nodes: readonly ChartNode[];
  readonly edges: readonly ChartEdge[];
}

/** All transitions of a machine, in an order that is the same for every copy made by `provide`. */
export const transitionsOf = (machine: AnyStateMachine): AnyTransitionDefinition[] =>
  nodesOf(machine).flatMap((node) => [...[...node.transitions.values()].flat(), ...(node.always ?? [])]);

/** All states of a machine, outermost first, in the order of the source. */
export const nodesOf = (machine: AnyStateMachine): AnyStateNode[] => {
  const withChildren = (node: AnyStateNode): AnyStateNode[] => [
    node,
    ...Object.values(node.states).flatMap(withChildren),
  ];
  return withChildren(machine.root);
};

/** The states and transitions of a machine, to be drawn. */
export const graphOf = (machine: AnyStateMachine): ChartGraph => ({
  name: machine.id,
  nodes: nodesOf(machine).map((node) => ({
    id: node.id,
    key: node.key,
    kind: node.type === 'history' ? 'atomic' : node.type,
    parent: node.parent?.id,
    isInitial: node.parent?.type === 'compound' && node.parent.initial.target.includes(node),
    isRegion: node.parent?.type === 'parallel',
    description: node.description,
    invokes: node.invoke.map(({ src }) => String(src)),
  })),
  edges: transitionsOf(machine).map((transition, index) => ({
    index,
    from: transition.source.id,
    to: transition.target?.[0]?.id,
    label: labelOf(transition),
  })),
});

/** The event and guard of a transition in readable form. */
export const labelOf = (transition: AnyTransitionDefinition): string => {
  const guard = guardOf(transition.guard);
  const event = eventOf(transition.eventType);
  if (guard !== undefined) return event === '' ? `[${guard}]` : `${event} [${guard}]`;
  return event === '' ? 'else' : event;
};

/** The event in readable form: xstate's own events have technical names. */
const eventOf = (type: string): string => {
  const [, kind, ...rest] = type.split('.');
  if (!type.startsWith('xstate.')) return type;
  if (kind === 'after') return `after ${rest[0]}`;
  const actor = rest.slice(1).join('.');
  return `${kind}: ${actor === '*' ? 'any child' : actor}`;
};

const guardOf = (guard: unknown): string | undefined => {
  if (guard === undefined) return undefined;
  if (typeof guard === 'string') return guard;
  // `and([…])`, of which xstate keeps the list.
  if (typeof guard === 'function' && 'guards' in guard) return (guard.guards as unknown[]).map(guardOf).join(' and ');
  const { type, params } = guard as { type?: string; params?: unknown };
  const values = typeof params === 'object' && params !== null ? Object.values(params) : [];
  return [type ?? 'guard', ...values].join(' ');
};
