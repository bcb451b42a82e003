import type { ElkExtendedEdge, ElkNode, LayoutOptions } from 'elkjs/lib/elk-api.js';
import { initialRadius, margin } from './drawing.ts';
import type { ChartGraph, ChartNode } from './graph.ts';
import { framePadding, headSizeOf } from './head.ts';
import { type Bundle, bundleSizeOf, bundlesOf, type LabelStyle } from './labels.ts';

/** One way to lay out a chart. */
export interface Plan {
  /** The direction in which states follow each other. */
  readonly direction: 'DOWN' | 'RIGHT';
  readonly labels: LabelStyle;
  /** Maximum number of states side by side; no limit if undefined. */
  readonly abreast?: number;
}

/** Ids in elk's graph. The prefix keeps them unique for any names of states. */
export const stateIn = (id: string): string => `state ${id}`;
export const dotIn = (id: string): string => `dot ${id}`;
export const arrowIn = (id: string): string => `arrow ${id}`;
/** The one point at which transitions enter a final state: there are many of them, and none leaves it. */
const portIn = (id: string): string => `port ${id}`;
/** An edge that keeps a region below the one before it. It is not drawn. */
const orderIn = (id: string): string => `order ${id}`;

/** The input for elk. */
export const elkGraphOf = (graph: ChartGraph, plan: Plan): ElkNode => {
  const options = optionsOf(plan);
  const initials = graph.nodes.filter(({ isInitial }) => isInitial);
  const placed = (node: ChartNode): ElkNode => {
    const head = headSizeOf(graph, node);
    const children = graph.nodes.filter(({ parent }) => parent === node.id);
    if (children.length === 0) return { id: stateIn(node.id), ...head, ...(node.kind === 'final' ? portOf(node) : {}) };
    return {
      id: stateIn(node.id),
      layoutOptions: {
        ...options,
        'elk.padding': padding(head.height + 6, framePadding),
        'elk.nodeSize.constraints': 'MINIMUM_SIZE',
        'elk.nodeSize.minimum': `(${head.width},${head.height})`,
      },
      children: children.flatMap((child) => [...(child.isInitial ? [dotOf(child)] : []), placed(child)]),
    };
  };
  const [root] = graph.nodes;
  if (root === undefined) throw new Error('a chart has a root');
  return {
    id: 'page',
    layoutOptions: {
      ...options,
      'elk.json.shapeCoords': 'ROOT',
      'elk.json.edgeCoords': 'ROOT',
      'elk.padding': padding(margin, margin),
    },
    children: [placed(root)],
    edges: [
      ...bundlesOf(graph).map((bundle) => edgeOf(graph, bundle, plan)),
      ...initials.map(arrowOf),
      ...(plan.abreast === undefined ? [] : ordersOf(graph)),
    ],
  };
};

/**
 * Puts states in layers along the direction. elk needs all options at every level. Distances in px.
 *
 * Without `considerModelOrder`: with it, elk 0.12 throws on the supervisor's chart.
 */
const optionsOf = ({ direction, abreast }: Plan): LayoutOptions => ({
  'elk.algorithm': 'layered',
  'elk.direction': direction,
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.edgeRouting': 'ORTHOGONAL',
  // The best of the first ten seeds for these charts.
  'elk.randomSeed': '2',
  // Starts at the initial state: transitions back to an earlier state are drawn against the direction.
  'elk.layered.cycleBreaking.strategy': 'DEPTH_FIRST',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.edgeLabels.centerLabelPlacementStrategy': 'TAIL_LAYER',
  'elk.layered.thoroughness': '40',
  'elk.spacing.nodeNode': '16',
  'elk.spacing.edgeNode': '12',
  'elk.spacing.edgeEdge': '10',
  'elk.spacing.edgeLabel': '2',
  'elk.layered.spacing.nodeNodeBetweenLayers': '16',
  'elk.layered.spacing.edgeNodeBetweenLayers': '10',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '8',
  ...(abreast === undefined
    ? {}
    : {
        'elk.layered.layering.strategy': 'COFFMAN_GRAHAM',
        'elk.layered.layering.coffmanGraham.layerBound': String(abreast),
      }),
});

const padding = (top: number, rest: number): string => `[top=${top},left=${rest},bottom=${rest},right=${rest}]`;

const portOf = ({ id }: ChartNode): Partial<ElkNode> => ({ ports: [{ id: portIn(id), width: 0, height: 0 }] });

const dotOf = ({ id }: ChartNode): ElkNode => ({ id: dotIn(id), width: 2 * initialRadius, height: 2 * initialRadius });

const arrowOf = ({ id }: ChartNode): ElkExtendedEdge => ({
  id: arrowIn(id),
  sources: [dotIn(id)],
  targets: [stateIn(id)],
});

/** No transition joins regions, so elk would put all regions side by side. */
const ordersOf = ({ nodes }: ChartGraph): ElkExtendedEdge[] =>
  nodes.flatMap(({ id, isRegion, parent }, at) => {
    const before = nodes.slice(0, at).findLast((other) => other.parent === parent);
    return !isRegion || before === undefined
      ? []
      : [{ id: orderIn(id), sources: [stateIn(before.id)], targets: [stateIn(id)] }];
  });

const edgeOf = ({ nodes }: ChartGraph, bundle: Bundle, { labels }: Plan): ElkExtendedEdge => ({
  id: bundle.id,
  sources: [stateIn(bundle.from)],
  targets: [
    nodes.some(({ id, kind }) => id === bundle.to && kind === 'final') ? portIn(bundle.to) : stateIn(bundle.to),
  ],
  labels: [
    {
      id: `label ${bundle.id}`,
      text: bundle.id,
      ...bundleSizeOf(bundle, labels),
      // On the line, not beside it, so that it is clear which line it belongs to.
      layoutOptions: { 'elk.edgeLabels.inline': 'true', 'elk.edgeLabels.placement': 'CENTER' },
    },
  ],
});
