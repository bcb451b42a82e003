import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';

/** A state of a chart. */
export interface ChartNode {
  /** Path from the root, as xstate has it: `job.tracking`. */
  readonly id: string;
  readonly key: string;
  readonly kind: 'atomic' | 'compound' | 'parallel' | 'final';
  /** Id of the state that it is in; undefined for the root. */
  readonly parent: string | undefined;
  readonly isInitial: boolean;
  /** Whether it is a region of a parallel state, active together with its siblings. */
  readonly isRegion: boolean;
  /** What its machine says about it. */
  readonly description: string | undefined;
  /** What is invoked while it is active. */
  readonly invokes: readonly string[];
}

/** A transition of a chart. */
export interface ChartEdge {
  /** Index of the transition in the chart: the same for every copy of its machine. */
  readonly index: number;
  readonly from: string;
  /** Undefined for one that leaves its state active and only acts. */
  readonly to: string | undefined;
  /** Its event and guard as a person reads them: `done: confirm [isAlive]`. */
  readonly label: string;
}

export interface ChartGraph {
  readonly name: string;
  readonly nodes: readonly ChartNode[];
  readonly edges: readonly ChartEdge[];
}

/** All transitions of a machine in one order, which is the same for every copy that `provide` makes of it. */
export const transitionsOf = (machine: AnyStateMachine): AnyTransitionDefinition[] =>
  nodesOf(machine).flatMap((node) => [...[...node.transitions.values()].flat(), ...(node.always ?? [])]);

/** All states of a machine, outermost first, in the order in which they are written. */
export const nodesOf = (machine: AnyStateMachine): AnyStateNode[] => {
  const walk = (node: AnyStateNode): AnyStateNode[] => [node, ...Object.values(node.states).flatMap(walk)];
  return walk(machine.root);
};

/** What there is to draw of a machine. */
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

/** The event and guard of a transition, as a person reads them. */
export const labelOf = (transition: AnyTransitionDefinition): string => {
  const guard = guardOf(transition.guard);
  const event = eventOf(transition.eventType);
  if (guard !== undefined) return event === '' ? `[${guard}]` : `${event} [${guard}]`;
  return event === '' ? 'else' : event;
};

/** The names that xstate gives to what it sends itself, in words. */
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
  const { type, params } = guard as { type?: string; params?: unknown };
  const values = typeof params === 'object' && params !== null ? Object.values(params) : [];
  return [type ?? 'guard', ...values].join(' ');
};
