import type { ElkExtendedEdge, ElkNode } from 'elkjs/lib/elk-api.js';
import { type Box, boxOf, type Drawing, type DrawnInitial, margin, type Point } from './drawing.ts';
import { arrowIn, dotIn, type Plan, stateIn } from './elkGraph.ts';
import type { ChartGraph } from './graph.ts';
import { drawHead } from './head.ts';
import { bundlesOf, drawBundle, legendOf } from './labels.ts';
import { type Route, straighten } from './straighten.ts';
import { lineHeight, round } from './text.ts';

/** Turns elk's layout into a drawing: adds the texts, and the list of numbered transitions in at most `room` px. */
export const place = (graph: ChartGraph, page: ElkNode, { labels }: Plan, room: number): Drawing => {
  const boxes = new Map(everyNode(page).map((node) => [node.id, boxOf(node)]));
  const routes = new Map(routesOf(graph, page, boxes).map((route) => [route.id, route]));
  const legend = labels === 'number' ? legendOf(graph, page.height ?? 0, room) : [];
  const ends = legend.map(({ line: { box } }) => ({ x: box.x + box.width + margin, y: box.y + lineHeight + margin }));
  return {
    name: graph.name,
    width: Math.ceil(Math.max(page.width ?? 0, ...ends.map(({ x }) => x))),
    height: Math.ceil(Math.max(page.height ?? 0, ...ends.map(({ y }) => y))),
    nodes: graph.nodes.map((node) => drawHead(graph, node, found(boxes, stateIn(node.id)))),
    edges: bundlesOf(graph)
      .flatMap((bundle) => drawBundle(bundle, found(routes, bundle.id), labels))
      .sort((a, b) => a.index - b.index),
    initials: initialsOf(graph).map((id) => drawInitial(id, found(boxes, dotIn(id)), found(routes, arrowIn(id)))),
    legend,
  };
};

const everyNode = (node: ElkNode): ElkNode[] => [node, ...(node.children ?? []).flatMap(everyNode)];

const initialsOf = ({ nodes }: ChartGraph): string[] => nodes.filter(({ isInitial }) => isInitial).map(({ id }) => id);

const routesOf = (graph: ChartGraph, page: ElkNode, boxes: ReadonlyMap<string, Box>): Route[] => {
  const ends = new Map([
    ...bundlesOf(graph).map(({ id, from, to }) => [id, { from: stateIn(from), to: stateIn(to) }] as const),
    ...initialsOf(graph).map((id) => [arrowIn(id), { from: dotIn(id), to: stateIn(id) }] as const),
  ]);
  const edges = new Map((page.edges ?? []).map((edge) => [edge.id, edge]));
  const routes = [...ends].map(([id, { from, to }]): Route => {
    const edge = found(edges, id);
    const label = edge.labels?.[0];
    return { id, points: pointsOf(edge), from: found(boxes, from), to: found(boxes, to), label: label && boxOf(label) };
  });
  return straighten(routes);
};

const found = <Value>(map: ReadonlyMap<string, Value>, id: string): Value => {
  const value = map.get(id);
  if (value === undefined) throw new Error(`elk found no place for ${id}`);
  return value;
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
