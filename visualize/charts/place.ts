import type { ElkExtendedEdge, ElkNode } from 'elkjs/lib/elk-api.js';
import { type Box, boxOf, type Drawing, type DrawnInitial, initialRadius, margin, type Point } from './drawing.ts';
import { dotIn, type Plan, stateIn } from './elkGraph.ts';
import type { ChartGraph } from './graph.ts';
import { drawHead } from './head.ts';
import { bundlesOf, drawBundle, legendOf } from './labels.ts';
import { type Route, straighten } from './straighten.ts';
import { lineHeight, round } from './text.ts';

/** Turns elk's layout into a drawing: adds the texts, and the list of numbered transitions in at most `room` px. */
export const place = (graph: ChartGraph, page: ElkNode, { labels, shape }: Plan, room: number): Drawing => {
  const boxes = new Map(
    everyNode(page)
      .flatMap((node) => [node, ...(node.labels ?? [])])
      .map((some) => [some.id ?? '', boxOf(some)]),
  );
  const routes = new Map(routesOf(graph, page, boxes).map((route) => [route.id, route]));
  const legend = labels === 'number' ? legendOf(graph, page.height ?? 0, room) : [];
  const ends = legend.map(({ line: { box } }) => ({ x: box.x + box.width + margin, y: box.y + lineHeight + margin }));
  return {
    name: graph.name,
    width: Math.ceil(Math.max(page.width ?? 0, ...ends.map(({ x }) => x))),
    height: Math.ceil(Math.max(page.height ?? 0, ...ends.map(({ y }) => y))),
    nodes: graph.nodes.map((node) => drawHead(graph, node, found(boxes, stateIn(node.id)), shape)),
    edges: bundlesOf(graph)
      .flatMap((bundle) => drawBundle(bundle, found(routes, bundle.id), labels, shape))
      .sort((a, b) => a.index - b.index),
    initials: initialsOf(graph).map((id) => drawInitial(id, found(boxes, dotIn(id)), found(boxes, stateIn(id)))),
    legend,
  };
};

const everyNode = (node: ElkNode): ElkNode[] => [node, ...(node.children ?? []).flatMap(everyNode)];

const initialsOf = ({ nodes }: ChartGraph): string[] => nodes.filter(({ isInitial }) => isInitial).map(({ id }) => id);

const routesOf = (graph: ChartGraph, page: ElkNode, boxes: ReadonlyMap<string, Box>): Route[] => {
  const edges = new Map((page.edges ?? []).map((edge) => [edge.id, edge]));
  const routes = bundlesOf(graph).map(({ id, from: source, to: target }): Route => {
    const edge = found(edges, id);
    const label = edge.labels?.[0];
    const [from, to] = [found(boxes, stateIn(source)), found(boxes, stateIn(target))];
    return { id, points: pointsOf(edge), from, to, label: label && boxOf(label) };
  });
  return straighten(routes);
};

const found = <Value>(map: ReadonlyMap<string, Value>, id: string): Value => {
  const value = map.get(id);
  if (value === undefined) throw new Error(`elk found no place for ${id}`);
  return value;
};

/** The dot is at the far end of its room, and its arrow leads straight to the state. */
const drawInitial = (id: string, room: Box, state: Box): DrawnInitial => {
  const middle = { x: room.x + room.width / 2, y: room.y + room.height / 2 };
  const isBeside = room.width < room.height;
  const [before, size] = isBeside ? [room.x < state.x, state.width] : [room.y < state.y, state.height];
  const centre = isBeside
    ? { x: before ? room.x + initialRadius : room.x + room.width - initialRadius, y: middle.y }
    : { x: middle.x, y: before ? room.y + initialRadius : room.y + room.height - initialRadius };
  const step = before ? initialRadius : -initialRadius;
  const border = (start: number): number => (before ? start : start + size);
  const points = isBeside
    ? [
        { x: centre.x + step, y: centre.y },
        { x: border(state.x), y: centre.y },
      ]
    : [
        { x: centre.x, y: centre.y + step },
        { x: centre.x, y: border(state.y) },
      ];
  return { of: id, centre: rounded(centre), points: points.map(rounded) };
};

const rounded = ({ x, y }: Point): Point => ({ x: round(x), y: round(y) });

const pointsOf = ({ sections = [] }: ElkExtendedEdge): Point[] =>
  sections.flatMap(({ startPoint, bendPoints = [], endPoint }) => [startPoint, ...bendPoints, endPoint].map(rounded));
