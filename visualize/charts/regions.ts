/** Parallel states: their regions are laid out one by one, then stacked. */
import { boxOf, type Drawing, margin, moved, widest } from './drawing.ts';
import type { ChartGraph } from './graph.ts';
import { drawHead, framePadding, headSizeOf } from './head.ts';

/** Distance between two regions, and between a region and the head of its parent, px. */
const gap = 10;
/** Maximum width of a region, px. */
export const widestRegion = widest - 2 * (margin + framePadding);

/**
 * The regions of a parallel root as separate charts. Empty if a transition joins two regions, or leads from the root into
 * a region.
 */
export const regionsOf = ({ nodes, edges }: ChartGraph): ChartGraph[] => {
  const [root] = nodes;
  if (root?.kind !== 'parallel') return [];
  const parents = new Map(nodes.map(({ id, parent }) => [id, parent]));
  const regionOf = (id: string | undefined): string | undefined =>
    id === undefined || parents.get(id) === root.id ? id : regionOf(parents.get(id));
  const isWithinOne = (from: string, to: string): boolean =>
    regionOf(from) !== undefined && regionOf(from) === regionOf(to);
  if (!edges.every(({ from, to }) => to === undefined || isWithinOne(from, to))) return [];
  return nodes
    .filter(({ parent }) => parent === root.id)
    .map(({ id: name }) => ({
      name,
      nodes: nodes
        .filter(({ id }) => regionOf(id) === name)
        .map((node) => (node.id === name ? { ...node, parent: undefined } : node)),
      edges: edges.filter(({ from }) => regionOf(from) === name),
    }));
};

/** Puts the drawings of regions into the frame of their parent, in rows of at most the width of a chart. */
export const stack = (graph: ChartGraph, regions: readonly Drawing[]): Drawing => {
  const [root] = graph.nodes;
  if (root === undefined) throw new Error('a chart has a root');
  const head = headSizeOf(graph, root);
  const left = margin + framePadding;
  const placed: Drawing[] = [];
  const ends: number[] = [];
  let [x, y, bottom] = [left, margin + head.height, margin + head.height];
  for (const region of regions) {
    if (x > left && x + region.width > left + widestRegion) [x, y] = [left, bottom + gap];
    placed.push(moved(region, { x, y }));
    ends.push(x + region.width);
    x += region.width + gap;
    bottom = Math.max(bottom, y + region.height);
  }
  const right = Math.max(margin + head.width - framePadding, ...ends);
  const frame = boxOf({
    x: margin,
    y: margin,
    width: right + framePadding - margin,
    height: bottom + framePadding - margin,
  });
  return {
    name: graph.name,
    width: Math.ceil(frame.width + 2 * margin),
    height: Math.ceil(frame.height + 2 * margin),
    nodes: [drawHead(graph, root, frame), ...placed.flatMap(({ nodes }) => nodes)],
    edges: placed.flatMap(({ edges }) => edges).sort((a, b) => a.index - b.index),
    initials: placed.flatMap(({ initials }) => initials),
    legend: placed.flatMap(({ legend }) => legend),
  };
};
