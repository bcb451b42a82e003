/** The head of a state: name, count, invoked actors, description, and inner transitions. */
import { type Box, boxOf, type DrawnNode, type Line, lineAt, margin, type Size, widest } from './drawing.ts';
import type { ChartEdge, ChartGraph, ChartNode } from './graph.ts';
import { charactersIn, lineHeight, widthOf, wrap } from './text.ts';

/** Distance between the text of a state and its border, px. */
const padding = { x: 10, y: 6 };
/** Distance between a state and the states in it, px. */
export const framePadding = 14;
/** Distance between the name of a state and its count, px. */
const countGap = 6;
/** Room for a count of nine characters, px. */
const countWidth = widthOf('1,234,567');
/** Distance between two columns of inner transitions, px. */
const innerGap = 24;
/** Columns of inner transitions, at most. They have at least two rows. */
const maxColumns = 3;
/** Minimum width of a state, so that states with short names have the same width, px. */
const minWidth = 146;
/** Room for the inner transitions of the outermost state of a region, px. */
const maxInner = widest - 2 * (margin + framePadding + padding.x);

/** The part of a description that a state shows. A state with states in it is wide: it has fewer and longer lines. */
const descriptionRoom = {
  slim: { characters: 18, lines: 4 },
  broad: { characters: 24, lines: 3 },
  frame: { characters: 80, lines: 2 },
  /** A state from which transitions lead to states in it: their lines begin at its upper border, beside its text. */
  entered: { characters: 40, lines: 2 },
} as const;

/** The content of a head, from top to bottom. `x` is measured from the left padding, px. */
interface Head extends Size {
  readonly notes: readonly string[];
  readonly description: readonly string[];
  readonly inner: readonly {
    readonly index: number;
    readonly text: string;
    readonly x: number;
    readonly row: number;
  }[];
}

/** The shape of a state without states in it: less width, or less height. */
export type Shape = 'slim' | 'broad';

/** The size of a state without the states in it. */
export const headSizeOf = (graph: ChartGraph, node: ChartNode, shape: Shape = 'slim'): Size => {
  const { width, height } = headOf(graph, node, shape);
  return { width, height };
};

/** Draws the head of a state into the state's box. */
export const drawHead = (graph: ChartGraph, node: ChartNode, box: Box, shape: Shape = 'slim'): DrawnNode => {
  const { notes, description, inner } = headOf(graph, node, shape);
  let row = 0;
  const next = (text: string): Line => at(text, row++);
  const at = (text: string, line: number, x = 0): Line =>
    lineAt(text, box.x + padding.x + x, box.y + padding.y + line * lineHeight);
  return {
    id: node.id,
    kind: node.kind,
    isRegion: node.isRegion,
    isCollapsed: node.collapsed !== undefined,
    box,
    name: next(node.key),
    count: boxOf({
      x: box.x + box.width - padding.x - countWidth,
      y: box.y + padding.y,
      width: countWidth,
      height: lineHeight,
    }),
    notes: notes.map(next),
    description: node.description === undefined ? undefined : { text: node.description, lines: description.map(next) },
    inner: inner.map(({ index, text, x, row: line }) => ({ index, line: at(text, row + line, x) })),
  };
};

const headOf = (graph: ChartGraph, node: ChartNode, shape: Shape): Head => {
  const notes = [
    ...(node.invokes.length === 0 ? [] : [`invokes ${node.invokes.join(', ')}`]),
    ...(node.collapsed === undefined ? [] : [`${node.collapsed} states: own chart`]),
  ];
  const inner = innerOf(graph, node);
  const widthOfAll = (texts: readonly string[]): number =>
    Math.max(
      minWidth - 2 * padding.x,
      widthOf(node.key) + countGap + countWidth,
      ...notes.map(widthOf),
      ...inner.map(({ text, x }) => x + widthOf(text)),
      ...texts.map(widthOf),
    );
  const description = shownOf(node, roomOf(graph, node, shape), charactersIn(widthOfAll([])));
  const innerRows = Math.max(0, ...inner.map(({ row }) => row + 1));
  const rows = 1 + notes.length + description.length + innerRows;
  return {
    width: 2 * padding.x + widthOfAll(description),
    height: 2 * padding.y + lineHeight * rows,
    notes,
    description,
    inner,
  };
};

interface Room {
  readonly characters: number;
  readonly lines: number;
}

const roomOf = (graph: ChartGraph, node: ChartNode, shape: Shape): Room => {
  if (!graph.nodes.some(({ parent }) => parent === node.id)) return descriptionRoom[shape];
  return descriptionRoom[isEntered(graph, node) ? 'entered' : 'frame'];
};

const isEntered = ({ nodes, edges }: ChartGraph, { id }: ChartNode): boolean =>
  edges.some(({ from, to }) => from === id && nodes.some(({ id: inner, parent }) => inner === to && parent === id));

/** The lines of a description that fit. If lines are left out, the last one ends with an ellipsis. */
const shownOf = ({ description = '' }: ChartNode, room: Room, characters: number): string[] => {
  const lines = wrap(description, Math.max(room.characters, characters));
  const shown = lines.slice(0, room.lines);
  return lines.length > room.lines ? [...shown.slice(0, -1), `${shown.at(-1)?.replace(/ \S+$/, '')}…`] : shown;
};

/** The transitions without a target, in columns. */
const innerOf = ({ edges }: ChartGraph, { id }: ChartNode): Head['inner'] => {
  const inner = edges.filter(({ from, to }) => from === id && to === undefined);
  for (let rows = Math.max(2, Math.ceil(inner.length / maxColumns)); ; rows++) {
    const columns = columnsOf(inner, rows);
    const width = Math.max(0, ...columns.map(({ text, x }) => x + widthOf(text)));
    if (width <= maxInner || rows >= inner.length) return columns;
  }
};

const columnsOf = (inner: readonly ChartEdge[], rows: number): Head['inner'] => {
  let x = 0;
  const placed = [];
  for (let first = 0; first < inner.length; first += rows) {
    const column = inner.slice(first, first + rows);
    placed.push(...column.map(({ index, label }, row) => ({ index, text: label, x, row })));
    x += Math.max(...column.map(({ label }) => widthOf(label))) + innerGap;
  }
  return placed;
};
