import {
  type Box,
  type Drawing,
  type DrawnEdge,
  type DrawnNode,
  initialRadius,
  type Point,
} from '../../visualize/charts/drawing.ts';

/** A box of a drawing, with its name for messages. */
interface Named {
  readonly what: string;
  readonly box: Box;
}

/**
 * Everything that makes a drawing hard to read, in words: labels that overlap labels, texts or states; labels outside the
 * state that contains their transition; lines that cross any of these; parts outside the drawing or outside their parent; lines
 * that do not begin and end at the border of their states; a list of transitions that overlaps the chart.
 */
export const faultsOf = (drawing: Drawing): string[] => [
  ...overlaps(labelsOf(drawing)),
  ...overlaps(drawing.nodes.flatMap(textsOf)),
  ...between(labelsOf(drawing), [...drawing.nodes.flatMap(textsOf), ...leavesOf(drawing), ...dotsOf(drawing)]),
  ...between(dotsOf(drawing), [...drawing.nodes.flatMap(textsOf), ...leavesOf(drawing)]),
  ...overlaps(legendOf(drawing)),
  ...between(legendOf(drawing), [...labelsOf(drawing), ...drawing.nodes.flatMap(textsOf), ...leavesOf(drawing)]),
  ...siblingFaults(drawing),
  ...placeFaults(drawing),
  ...drawing.edges.flatMap((edge) => lineFaults(drawing, edge)),
  ...drawing.edges.flatMap((edge) => endFaults(drawing, edge)),
];

const labelsOf = ({ edges }: Drawing): Named[] =>
  edges.map(({ index, label }) => ({ what: `label of ${index}`, box: label.box }));

const legendOf = ({ legend }: Drawing): Named[] =>
  legend.map(({ index, line }) => ({ what: `list of ${index}`, box: line.box }));

const textsOf = ({ id, name, count, notes, description, inner }: DrawnNode): Named[] => [
  { what: `name of ${id}`, box: name.box },
  { what: `count of ${id}`, box: count },
  ...notes.map(({ box }) => ({ what: `note of ${id}`, box })),
  ...(description?.lines ?? []).map(({ text, box }) => ({ what: `"${text}" of ${id}`, box })),
  ...inner.map(({ index, line }) => ({ what: `inner ${index} of ${id}`, box: line.box })),
];

const leavesOf = ({ nodes }: Drawing): Named[] =>
  nodes
    .filter(({ kind, isCollapsed }) => isCollapsed || (kind !== 'compound' && kind !== 'parallel'))
    .map(({ id, box }) => ({ what: id, box }));

const dotsOf = ({ initials }: Drawing): Named[] =>
  initials.map(({ of, centre }) => ({
    what: `dot of ${of}`,
    box: {
      x: centre.x - initialRadius,
      y: centre.y - initialRadius,
      width: 2 * initialRadius,
      height: 2 * initialRadius,
    },
  }));

/** Boxes that only touch do not overlap. Less than half a px comes from rounding. */
const doOverlap = (a: Box, b: Box): boolean =>
  a.x + a.width > b.x + 0.5 && b.x + b.width > a.x + 0.5 && a.y + a.height > b.y + 0.5 && b.y + b.height > a.y + 0.5;

const isWithin = (inner: Box, outer: Box): boolean =>
  inner.x >= outer.x - 0.5 &&
  inner.y >= outer.y - 0.5 &&
  inner.x + inner.width <= outer.x + outer.width + 0.5 &&
  inner.y + inner.height <= outer.y + outer.height + 0.5;

const overlaps = (boxes: readonly Named[]): string[] => boxes.flatMap((a, i) => between([a], boxes.slice(i + 1)));

const between = (some: readonly Named[], others: readonly Named[]): string[] =>
  some.flatMap((a) => others.filter((b) => doOverlap(a.box, b.box)).map((b) => `${a.what} overlaps ${b.what}`));

/** Ids are paths: the parent of `job.tracking` is `job`. */
export const parentOf = (id: string): string => id.slice(0, Math.max(0, id.lastIndexOf('.')));
const isInside = (id: string, outer: string): boolean => id === outer || id.startsWith(`${outer}.`);

const nodeOf = ({ nodes }: Drawing, id: string): DrawnNode => {
  const node = nodes.find((other) => other.id === id);
  if (node === undefined) throw new Error(`${id} is not drawn`);
  return node;
};

const pageOf = ({ width, height }: Drawing): Box => ({ x: 0, y: 0, width, height });

/** The box of a state. A drawing of a part shows some states without the states around them: those are on the page. */
const boxOf = (drawing: Drawing, id: string): Box =>
  drawing.nodes.find((node) => node.id === id && node.kind !== 'outside')?.box ?? pageOf(drawing);

const siblingFaults = ({ nodes }: Drawing): string[] =>
  nodes.flatMap((a, i) =>
    nodes
      .slice(i + 1)
      .filter((b) => parentOf(a.id) === parentOf(b.id) && doOverlap(a.box, b.box))
      .map((b) => `${a.id} overlaps ${b.id}`),
  );

/** Parts that are outside the box that should contain them. */
const placeFaults = (drawing: Drawing): string[] => {
  const page = pageOf(drawing);
  const placed: { named: Named; holder: Box }[] = [
    ...drawing.nodes.map(({ id, box }) => ({
      named: { what: id, box },
      holder: boxOf(drawing, parentOf(id)),
    })),
    ...drawing.nodes.flatMap((node) => textsOf(node).map((named) => ({ named, holder: node.box }))),
    ...legendOf(drawing).map((named) => ({ named, holder: page })),
    ...drawing.edges.map(({ index, from, to, label }) => ({
      named: { what: `label of ${index}`, box: label.box },
      holder: boxOf(drawing, commonParentOf(from, to)),
    })),
    ...drawing.edges.flatMap(({ index, label }) =>
      label.lines.map(({ text, box }) => ({ named: { what: `"${text}" of ${index}`, box }, holder: label.box })),
    ),
    ...[...drawing.edges, ...drawing.initials].flatMap((line) =>
      line.points.map(({ x, y }) => ({ named: { what: 'a line', box: { x, y, width: 0, height: 0 } }, holder: page })),
    ),
  ];
  return placed
    .filter(({ named, holder }) => !isWithin(named.box, holder))
    .map(({ named }) => `${named.what} is outside`);
};

/** The innermost state that contains both ends of a transition. */
const commonParentOf = (from: string, to: string): string => {
  let parent = from === to ? parentOf(from) : from;
  while (parent !== '' && !isInside(to, parent)) parent = parentOf(parent);
  return parent;
};

const lineFaults = (drawing: Drawing, { index, points, from, to }: DrawnEdge): string[] => {
  const own = drawing.edges
    .filter((other) => other.from === from && other.to === to)
    .map((other) => `label of ${other.index}`);
  const obstacles = [
    ...labelsOf(drawing).filter(({ what }) => !own.includes(what)),
    ...leavesOf(drawing),
    ...drawing.nodes.flatMap(textsOf),
    ...dotsOf(drawing),
  ];
  return segmentsOf(points).flatMap((segment) =>
    obstacles.filter(({ box }) => doOverlap(segment, box)).map(({ what }) => `line of ${index} crosses ${what}`),
  );
};

/** The straight segments of a line, each as a box one px thick. */
export const segmentsOf = (points: readonly Point[]): Box[] =>
  points.slice(1).map((b, i) => {
    const a = points[i] as Point;
    const thin = (from: number, to: number) => ({ at: Math.min(from, to), size: Math.abs(from - to) });
    const x = thin(a.x, b.x);
    const y = thin(a.y, b.y);
    return {
      x: x.at - (x.size === 0 ? 0.5 : 0),
      y: y.at - (y.size === 0 ? 0.5 : 0),
      width: x.size || 1,
      height: y.size || 1,
    };
  });

const endFaults = (drawing: Drawing, { index, points, from, to }: DrawnEdge): string[] => {
  const first = points[0];
  const last = points.at(-1);
  return [
    ...(first !== undefined && isOnBorder(first, nodeOf(drawing, from).box)
      ? []
      : [`line of ${index} does not begin at ${from}`]),
    ...(last !== undefined && isOnBorder(last, nodeOf(drawing, to).box)
      ? []
      : [`line of ${index} does not end at ${to}`]),
  ];
};

const isOnBorder = ({ x, y }: Point, box: Box): boolean => {
  const near = (a: number, b: number) => Math.abs(a - b) <= 0.5;
  const isAmong = (value: number, start: number, size: number) => value >= start - 0.5 && value <= start + size + 0.5;
  return (
    ((near(x, box.x) || near(x, box.x + box.width)) && isAmong(y, box.y, box.height)) ||
    ((near(y, box.y) || near(y, box.y + box.height)) && isAmong(x, box.x, box.width))
  );
};
