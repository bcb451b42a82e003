import type { ElkExtendedEdge, ElkNode, LayoutOptions } from 'elkjs/lib/elk-api.js';
import type { ChartEdge, ChartGraph, ChartNode } from './graph.ts';
import { headSizeOf, initialRadius, labelSizeOf, type Size } from './sizes.ts';

type Direction = 'DOWN' | 'RIGHT';

/** Transitions between the same two states, which are drawn as one line with a label for each. */
export interface Bundle {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly edges: readonly ChartEdge[];
}

/** Between the labels of a bundle, px. */
export const labelGap = 3;
/** Around the frame of a chart, so that its stroke is not cut off, px. */
const margin = 2;

/** Ids in elk's graph. What stands before the first blank keeps them apart, whatever the states are called. */
export const stateIn = (id: string): string => `state ${id}`;
export const dotIn = (id: string): string => `dot ${id}`;
export const arrowIn = (id: string): string => `arrow ${id}`;
/** Where all that ends in a final state comes in: many transitions do, and nothing leaves it. */
const portIn = (id: string): string => `port ${id}`;

export const bundlesOf = ({ edges }: ChartGraph): Bundle[] => {
  const bundles = new Map<string, { id: string; from: string; to: string; edges: ChartEdge[] }>();
  for (const edge of edges) {
    const { from, to } = edge;
    if (to === undefined) continue;
    const id = `bundle ${JSON.stringify([from, to])}`;
    const bundle = bundles.get(id) ?? { id, from, to, edges: [] };
    bundle.edges.push(edge);
    bundles.set(id, bundle);
  }
  return [...bundles.values()];
};

/**
 * A chart as elk takes it. It flows down, save the parts of which `rightwards` has the ids: of these, the states follow
 * each other to the right.
 */
export const elkGraphOf = (graph: ChartGraph, rightwards: ReadonlySet<string>): ElkNode => {
  const parts = partsOf(graph);
  const initials = graph.nodes.filter(({ isInitial }) => isInitial);

  const placed = (node: ChartNode, options: LayoutOptions): ElkNode => {
    const head = headSizeOf(graph, node);
    const children = graph.nodes.filter(({ parent }) => parent === node.id);
    if (children.length === 0) return leafOf(node, head);
    return {
      id: stateIn(node.id),
      layoutOptions: {
        ...options,
        'elk.padding': padding(head.height + 6, 14),
        'elk.nodeSize.constraints': 'MINIMUM_SIZE',
        'elk.nodeSize.minimum': `(${head.width},${head.height})`,
      },
      children: children.flatMap((child) => [
        ...(child.isInitial ? [dotNodeOf(child)] : []),
        placed(child, parts.includes(child.id) ? flowOf(child) : options),
      ]),
    };
  };
  const flowOf = ({ id }: ChartNode): LayoutOptions => layered(rightwards.has(id) ? 'RIGHT' : 'DOWN');

  const [root] = graph.nodes;
  if (root === undefined) throw new Error('a chart has a root');
  const options = parts.includes(root.id) ? flowOf(root) : packed;
  return {
    id: 'page',
    layoutOptions: {
      ...options,
      'elk.json.shapeCoords': 'ROOT',
      'elk.json.edgeCoords': 'ROOT',
      'elk.padding': padding(margin, margin),
    },
    children: [placed(root, options)],
    edges: [...bundlesOf(graph).map((bundle) => elkEdgeOf(graph, bundle)), ...initials.map(arrowEdgeOf)],
  };
};

/**
 * Ids of the states that are laid out on their own: the regions of a parallel root if no transition leads from one into
 * another, else the root.
 */
export const partsOf = ({ nodes, edges }: ChartGraph): string[] => {
  const parents = new Map(nodes.map(({ id, parent }) => [id, parent]));
  const [root] = nodes;
  if (root === undefined) return [];
  const regions = nodes.filter(({ parent }) => parent === root.id).map(({ id }) => id);
  const regionOf = (id: string | undefined): string | undefined =>
    id === undefined || regions.includes(id) ? id : regionOf(parents.get(id));
  const areClocksApart = edges.every(({ from, to }) => to === undefined || regionOf(from) === regionOf(to));
  return root.kind === 'parallel' && areClocksApart ? regions : [root.id];
};

/** Regions stand side by side as they best fill the screen. */
const packed: LayoutOptions = {
  'elk.algorithm': 'rectpacking',
  'elk.hierarchyHandling': 'SEPARATE_CHILDREN',
  'elk.aspectRatio': '1.4',
  'elk.spacing.nodeNode': '14',
  'elk.rectpacking.whiteSpaceElimination.strategy': 'EQUAL_BETWEEN_STRUCTURES',
};

/**
 * States in layers along the direction. elk wants all of it at every level. Distances in px.
 *
 * No `considerModelOrder`: elk 0.12 throws on the chart of the supervisor with it.
 */
const layered = (direction: Direction): LayoutOptions => ({
  'elk.algorithm': 'layered',
  'elk.direction': direction,
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.edgeRouting': 'ORTHOGONAL',
  // Of the first ten, the one that suits our charts best.
  'elk.randomSeed': '2',
  // From the initial state on: what leads back to where the walk has been is drawn against the direction.
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
});

const padding = (top: number, rest: number): string => `[top=${top},left=${rest},bottom=${rest},right=${rest}]`;

const leafOf = ({ id, kind }: ChartNode, size: Size): ElkNode => ({
  id: stateIn(id),
  ...size,
  ...(kind === 'final' ? { ports: [{ id: portIn(id), width: 0, height: 0 }] } : {}),
});

const dotNodeOf = ({ id }: ChartNode): ElkNode => ({
  id: dotIn(id),
  width: 2 * initialRadius,
  height: 2 * initialRadius,
});

const arrowEdgeOf = ({ id }: ChartNode): ElkExtendedEdge => ({
  id: arrowIn(id),
  sources: [dotIn(id)],
  targets: [stateIn(id)],
});

const elkEdgeOf = ({ nodes }: ChartGraph, { id, from, to, edges }: Bundle): ElkExtendedEdge => ({
  id,
  sources: [stateIn(from)],
  targets: [nodes.some((node) => node.id === to && node.kind === 'final') ? portIn(to) : stateIn(to)],
  labels: [
    {
      id: `label ${id}`,
      text: id,
      ...bundleSizeOf(edges),
      // On the line itself, not beside it: nobody has to guess which line it belongs to.
      layoutOptions: { 'elk.edgeLabels.inline': 'true', 'elk.edgeLabels.placement': 'CENTER' },
    },
  ],
});

/** The labels of a bundle, one below the other. */
const bundleSizeOf = (edges: readonly ChartEdge[]): Size => {
  const sizes = edges.map(({ label }) => labelSizeOf(label));
  return {
    width: Math.max(...sizes.map(({ width }) => width)),
    height: sizes.reduce((sum, { height }) => sum + height, labelGap * (edges.length - 1)),
  };
};
