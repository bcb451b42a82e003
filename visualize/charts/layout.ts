import type { ElkExtendedEdge, ElkNode } from 'elkjs/lib/elk-api.js';
import type { Box, Drawing, DrawnEdge, DrawnInitial, DrawnNode, Line, Point } from './drawing.ts';
import { arrowIn, type Bundle, bundlesOf, dotIn, elkGraphOf, labelGap, partsOf, stateIn } from './elkGraph.ts';
import type { ChartGraph, ChartNode } from './graph.ts';
import { countWidth, innerColumnsOf, labelPadding, labelSizeOf, linesOf, noteOf, statePadding } from './sizes.ts';
import { type Route, straighten } from './straighten.ts';
import { lineHeight, round, widthOf } from './text.ts';

/** The screen that a chart should suit, px. */
const screen = { width: 1200, height: 900 };

/**
 * Finds a place for everything in a chart. The same graph has the same drawing, to the byte.
 *
 * Each part flows down, or to the right if the chart is better for it: larger once it is made to fit the screen, or
 * else of a smaller area.
 */
export const layOut = async (graph: ChartGraph): Promise<Drawing> => {
  let rightwards: ReadonlySet<string> = new Set();
  let best = await flow(graph, rightwards);
  for (const part of partsOf(graph)) {
    const turned = new Set([...rightwards, part]);
    const other = await flow(graph, turned);
    if (!isBetter(other, best)) continue;
    rightwards = turned;
    best = other;
  }
  return best;
};

const isBetter = (a: Drawing, b: Drawing): boolean =>
  scaleOf(a) === scaleOf(b) ? a.width * a.height < b.width * b.height : scaleOf(a) > scaleOf(b);

const scaleOf = ({ width, height }: Drawing): number => Math.min(screen.width / width, screen.height / height);

const flow = async (graph: ChartGraph, rightwards: ReadonlySet<string>): Promise<Drawing> => {
  // Loaded with the first chart: it is 1.6 MB.
  const { default: elk } = await import('elkjs/lib/elk.bundled.js');
  return drawingOf(graph, await new elk.default().layout(elkGraphOf(graph, rightwards)));
};

const drawingOf = (graph: ChartGraph, page: ElkNode): Drawing => {
  const boxes = new Map(everyNode(page).map((node) => [node.id, boxOf(node)]));
  const bundles = bundlesOf(graph);
  const initials = graph.nodes.filter(({ isInitial }) => isInitial).map(({ id }) => id);
  const ends = new Map([
    ...bundles.map(({ id, from, to }) => [id, { from: stateIn(from), to: stateIn(to) }] as const),
    ...initials.map((id) => [arrowIn(id), { from: dotIn(id), to: stateIn(id) }] as const),
  ]);
  const routes = (page.edges ?? []).map((edge): Route => {
    const { from, to } = found(ends, edge.id);
    const label = edge.labels?.[0];
    return {
      id: edge.id,
      points: pointsOf(edge),
      from: found(boxes, from),
      to: found(boxes, to),
      label: label && boxOf(label),
    };
  });
  const straight = new Map(straighten(routes).map((route) => [route.id, route]));
  return {
    name: graph.name,
    width: Math.ceil(page.width ?? 0),
    height: Math.ceil(page.height ?? 0),
    nodes: graph.nodes.map((node) => drawNode(graph, node, found(boxes, stateIn(node.id)))),
    edges: bundles
      .flatMap((bundle) => drawBundle(bundle, found(straight, bundle.id)))
      .sort((a, b) => a.index - b.index),
    initials: initials.map((id) => drawInitial(id, found(boxes, dotIn(id)), found(straight, arrowIn(id)))),
  };
};

const everyNode = (node: ElkNode): ElkNode[] => [node, ...(node.children ?? []).flatMap(everyNode)];

const found = <Value>(map: ReadonlyMap<string, Value>, id: string): Value => {
  const value = map.get(id);
  if (value === undefined) throw new Error(`elk found no place for ${id}`);
  return value;
};

const boxOf = ({ x = 0, y = 0, width = 0, height = 0 }: Partial<Box>): Box => ({
  x: round(x),
  y: round(y),
  width: round(width),
  height: round(height),
});

const drawNode = (graph: ChartGraph, node: ChartNode, box: Box): DrawnNode => {
  const note = noteOf(node);
  const left = box.x + statePadding.x;
  const lineAt = (text: string, row: number, indent = 0): Line =>
    lineOf(text, left + indent, box.y + statePadding.y + row * lineHeight);
  const firstRow = note === undefined ? 1 : 2;
  return {
    id: node.id,
    kind: node.kind,
    isRegion: graph.nodes.some(({ id, kind }) => id === node.parent && kind === 'parallel'),
    box,
    name: lineAt(node.key, 0),
    count: boxOf({
      x: box.x + box.width - statePadding.x - countWidth,
      y: box.y + statePadding.y,
      width: countWidth,
      height: lineHeight,
    }),
    note: note === undefined ? undefined : lineAt(note, 1),
    inner: innerColumnsOf(graph, node).flatMap(({ x, edges }) =>
      edges.map(({ index, label }, row) => ({ index, line: lineAt(label, firstRow + row, x) })),
    ),
  };
};

const lineOf = (text: string, x: number, y: number): Line => ({
  text,
  box: boxOf({ x, y, width: widthOf(text), height: lineHeight }),
});

const drawBundle = ({ from, to, edges }: Bundle, { points, label: place = boxOf({}) }: Route): DrawnEdge[] => {
  let y = place.y;
  return edges.map(({ index, label }, i) => {
    const { width, height } = labelSizeOf(label);
    const box = boxOf({ x: place.x + (place.width - width) / 2, y, width, height });
    y += height + labelGap;
    const lines = linesOf(label).map((text, row) =>
      lineOf(text, box.x + (width - widthOf(text)) / 2, box.y + labelPadding.y + row * lineHeight),
    );
    return { index, from, to, points, isShared: i > 0, label: { box, lines } };
  });
};

const drawInitial = (id: string, dot: Box, { points }: Route): DrawnInitial => ({
  of: id,
  centre: { x: round(dot.x + dot.width / 2), y: round(dot.y + dot.height / 2) },
  points,
});

const pointsOf = ({ sections = [] }: ElkExtendedEdge): Point[] =>
  sections.flatMap(({ startPoint, bendPoints = [], endPoint }) =>
    [startPoint, ...bendPoints, endPoint].map(({ x, y }) => ({ x: round(x), y: round(y) })),
  );
