import type { ElkExtendedEdge, ElkLabel, ElkNode, LayoutOptions } from 'elkjs/lib/elk-api.js';
import { dotRoom, margin } from './drawing.ts';
import type { ChartGraph, ChartNode } from './graph.ts';
import { framePadding, headSizeOf, type Shape } from './head.ts';
import { type Bundle, bundleSizeOf, bundlesOf, type LabelStyle } from './labels.ts';

/** One way to lay out a chart. */
export interface Plan {
  /** The direction in which states follow each other. */
  readonly direction: 'DOWN' | 'RIGHT';
  readonly labels: LabelStyle;
  readonly shape: Shape;
  /** Which transitions are drawn against the direction: those back to a state on the way from the initial state, or as few as possible. */
  readonly against: 'back' | 'fewest';
  /** Maximum number of states side by side; no limit if undefined. */
  readonly abreast?: number;
}

/** Ids in elk's graph. The prefix keeps them unique for any names of states. */
export const stateIn = (id: string): string => `state ${id}`;
export const dotIn = (id: string): string => `dot ${id}`;
/** The one point at which transitions enter a final state: there are many of them, and none leaves it. */
const portIn = (id: string): string => `port ${id}`;
/** An edge that keeps a region below the one before it. It is not drawn. */
const orderIn = (id: string): string => `order ${id}`;

/** The input for elk. */
export const elkGraphOf = (graph: ChartGraph, plan: Plan): ElkNode => {
  const options = optionsOf(plan);
  const placed = (node: ChartNode): ElkNode => {
    const head = headSizeOf(graph, node, plan.shape);
    const children = graph.nodes.filter(({ parent }) => parent === node.id);
    const initial = node.isInitial ? { labels: [dotOf(graph, node, plan)] } : {};
    if (children.length === 0)
      return { id: stateIn(node.id), ...head, ...(node.kind === 'final' ? portOf(node) : {}), ...initial };
    return {
      id: stateIn(node.id),
      ...initial,
      layoutOptions: {
        ...options,
        'elk.padding': padding(head.height + 6, framePadding),
        'elk.nodeSize.constraints': 'MINIMUM_SIZE',
        'elk.nodeSize.minimum': `(${head.width},${head.height})`,
      },
      children: children.map(placed),
    };
  };
  return {
    id: 'page',
    layoutOptions: {
      ...options,
      'elk.json.shapeCoords': 'ROOT',
      'elk.json.edgeCoords': 'ROOT',
      'elk.padding': padding(margin, margin),
    },
    children: graph.nodes.filter(({ parent }) => parent === undefined).map(placed),
    edges: [
      ...bundlesOf(graph).map((bundle) => edgeOf(graph, bundle, plan)),
      ...(plan.abreast === undefined ? [] : ordersOf(graph)),
    ],
  };
};

/**
 * Puts states in layers along the direction. elk needs all options at every level. Distances in px.
 *
 * Without `considerModelOrder`: with it, elk 0.12 throws on the supervisor's chart.
 */
const optionsOf = ({ direction, against, abreast }: Plan): LayoutOptions => ({
  'elk.algorithm': 'layered',
  'elk.direction': direction,
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.edgeRouting': 'ORTHOGONAL',
  // The best of the first ten seeds for these charts.
  'elk.randomSeed': '2',
  'elk.layered.cycleBreaking.strategy': against === 'back' ? 'DEPTH_FIRST' : 'GREEDY',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.edgeLabels.centerLabelPlacementStrategy': 'TAIL_LAYER',
  'elk.layered.thoroughness': '40',
  'elk.spacing.nodeNode': '16',
  'elk.spacing.edgeNode': '12',
  'elk.spacing.edgeEdge': '10',
  'elk.spacing.edgeLabel': '2',
  'elk.layered.spacing.nodeNodeBetweenLayers': '10',
  'elk.layered.spacing.edgeNodeBetweenLayers': '7',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '7',
  ...(abreast === undefined
    ? {}
    : {
        'elk.layered.layering.strategy': 'COFFMAN_GRAHAM',
        'elk.layered.layering.coffmanGraham.layerBound': String(abreast),
      }),
});

const padding = (top: number, rest: number): string => `[top=${top},left=${rest},bottom=${rest},right=${rest}]`;

const portOf = ({ id }: ChartNode): Partial<ElkNode> => ({ ports: [{ id: portIn(id), width: 0, height: 0 }] });

/** Room for the dot and its arrow, on a side of the state that no line begins or ends at. */
const dotOf = ({ edges }: ChartGraph, { id }: ChartNode, { direction }: Plan): ElkLabel => {
  const { along, across } = dotRoom;
  const hasLoop = edges.some(({ from, to }) => from === id && to === id);
  return {
    id: dotIn(id),
    // Without a text, elk leaves it out.
    text: id,
    ...(direction === 'DOWN' ? { width: along, height: across } : { width: across, height: along }),
    // Loops take the left side, or the upper one.
    layoutOptions: {
      'elk.nodeLabels.placement':
        direction === 'DOWN'
          ? `OUTSIDE ${hasLoop ? 'H_RIGHT' : 'H_LEFT'} V_TOP H_PRIORITY`
          : `OUTSIDE H_LEFT ${hasLoop ? 'V_BOTTOM' : 'V_TOP'}`,
    },
  };
};

/** No transition joins regions, so elk would put all regions side by side. */
const ordersOf = ({ nodes }: ChartGraph): ElkExtendedEdge[] =>
  nodes.flatMap(({ id, isRegion, parent }, at) => {
    const before = nodes.slice(0, at).findLast((other) => other.parent === parent);
    return !isRegion || before === undefined
      ? []
      : [{ id: orderIn(id), sources: [stateIn(before.id)], targets: [stateIn(id)] }];
  });

const edgeOf = ({ nodes }: ChartGraph, bundle: Bundle, { labels, shape }: Plan): ElkExtendedEdge => ({
  id: bundle.id,
  sources: [stateIn(bundle.from)],
  targets: [
    nodes.some(({ id, kind }) => id === bundle.to && kind === 'final') ? portIn(bundle.to) : stateIn(bundle.to),
  ],
  labels: [
    {
      id: `label ${bundle.id}`,
      text: bundle.id,
      ...bundleSizeOf(bundle, labels, shape),
      // On the line, not beside it, so that it is clear which line it belongs to.
      layoutOptions: { 'elk.edgeLabels.inline': 'true', 'elk.edgeLabels.placement': 'CENTER' },
    },
  ],
});
