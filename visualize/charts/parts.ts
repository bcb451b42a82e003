/** A large machine is drawn in parts, so that each of them is readable at full size. */
import type { AnyStateMachine } from 'xstate';
import { type ChartEdge, type ChartGraph, type ChartNode, graphOf } from './graph.ts';

/** A machine with more states is drawn in parts, if it has compound states. */
const maxStates = 12;

/**
 * The charts in which a machine is drawn. A large machine has an overview, in which the outermost compound states are
 * collapsed, and one chart for each of these states. Each state and each transition is in at least one of them.
 */
export const partsOf = (machine: AnyStateMachine): ChartGraph[] => {
  const graph = graphOf(machine);
  const [root] = graph.nodes;
  if (root === undefined || root.kind !== 'compound' || graph.nodes.length <= maxStates) return [graph];
  const compound = graph.nodes.filter(({ parent, kind }) => parent === root.id && kind === 'compound');
  return compound.length === 0 ? [graph] : [overviewOf(graph, root), ...compound.map((node) => detailOf(graph, node))];
};

/** Transitions from and to the states in a compound state begin and end at that state. Those within it are left out. */
const overviewOf = (graph: ChartGraph, root: ChartNode): ChartGraph => {
  const outer = graph.nodes.filter(({ id, parent }) => id === root.id || parent === root.id);
  const outerOf = (id: string): string => outer.findLast((node) => isWithin(graph, id, node.id))?.id ?? root.id;
  const isCollapsed = (id: string): boolean =>
    id !== root.id && graph.nodes.some(({ parent }) => parent === outerOf(id));
  const isKept = ({ from, to }: ChartEdge): boolean =>
    !isCollapsed(from) || (to !== undefined && outerOf(from) !== outerOf(to));
  return {
    name: graph.name,
    nodes: outer.map((node) => {
      const inner = graph.nodes.filter(({ id }) => id !== node.id && isWithin(graph, id, node.id));
      return isCollapsed(node.id) ? { ...node, collapsed: inner.length } : node;
    }),
    edges: merged(
      graph.edges.filter(isKept).map((edge) => ({
        ...edge,
        from: outerOf(edge.from),
        to: edge.to === undefined ? undefined : outerOf(edge.to),
      })),
    ),
  };
};

/** Transitions of several inner states that look the same as soon as those are collapsed become one. */
const merged = (edges: readonly ChartEdge[]): ChartEdge[] => {
  const distinct = new Map<string, ChartEdge>();
  for (const edge of edges) {
    const key = JSON.stringify([edge.from, edge.to, edge.label]);
    const first = distinct.get(key);
    distinct.set(key, first === undefined ? edge : { ...first, also: [...(first.also ?? []), edge.index] });
  }
  return [...distinct.values()];
};

/** A state with the states in it, and the states outside that transitions join with them. */
const detailOf = (graph: ChartGraph, outer: ChartNode): ChartGraph => {
  const isInner = (id: string | undefined): boolean =>
    id !== undefined && id !== outer.id && isWithin(graph, id, outer.id);
  const edges = graph.edges.filter(
    ({ from, to }) => isInner(from) || isInner(to) || (from === outer.id && (to === undefined || to === outer.id)),
  );
  const isJoined = (id: string): boolean => edges.some(({ from, to }) => id === from || id === to);
  return {
    name: outer.id,
    nodes: [
      { ...outer, parent: undefined, isInitial: false },
      ...graph.nodes.filter(({ id }) => isInner(id)),
      ...graph.nodes.filter(({ id }) => id !== outer.id && !isInner(id) && isJoined(id)).map(outsideOf),
    ],
    edges,
  };
};

const outsideOf = ({ id, key }: ChartNode): ChartNode => ({
  id,
  key,
  kind: 'outside',
  parent: undefined,
  isInitial: false,
  isRegion: false,
  description: undefined,
  invokes: [],
});

const isWithin = (graph: ChartGraph, id: string, outer: string): boolean => {
  if (id === outer) return true;
  const parent = graph.nodes.find((node) => node.id === id)?.parent;
  return parent !== undefined && isWithin(graph, parent, outer);
};
