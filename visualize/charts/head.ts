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
/** Rows of a column of inner transitions. There are more if the columns would be too wide together. */
const minRows = 4;
/** Minimum width of a state, so that states with short names have the same width, px. */
const minWidth = 146;
/** Room for the inner transitions of the outermost state of a region, px. */
const maxInner = widest - 2 * (margin + framePadding + padding.x);

/** The part of a description that a state shows. A state with states in it is wide: it has fewer and longer lines. */
const descriptionRoom = {
  leaf: { characters: 18, lines: 4 },
  frame: { characters: 56, lines: 2 },
} as const;

/** The content of a head, from top to bottom. `x` is measured from the left padding, px. */
interface Head extends Size {
  readonly note: string | undefined;
  readonly description: readonly string[];
  readonly inner: readonly {
    readonly index: number;
    readonly text: string;
    readonly x: number;
    readonly row: number;
  }[];
}

/** The size of a state without the states in it. */
export const headSizeOf = (graph: ChartGraph, node: ChartNode): Size => {
  const { width, height } = headOf(graph, node);
  return { width, height };
};

/** Draws the head of a state into the state's box. */
export const drawHead = (graph: ChartGraph, node: ChartNode, box: Box): DrawnNode => {
  const { note, description, inner } = headOf(graph, node);
  let row = 0;
  const next = (text: string): Line => at(text, row++);
  const at = (text: string, line: number, x = 0): Line =>
    lineAt(text, box.x + padding.x + x, box.y + padding.y + line * lineHeight);
  return {
    id: node.id,
    kind: node.kind,
    isRegion: node.isRegion,
    box,
    name: next(node.key),
    count: boxOf({
      x: box.x + box.width - padding.x - countWidth,
      y: box.y + padding.y,
      width: countWidth,
      height: lineHeight,
    }),
    note: note === undefined ? undefined : next(note),
    description: node.description === undefined ? undefined : { text: node.description, lines: description.map(next) },
    inner: inner.map(({ index, text, x, row: line }) => ({ index, line: at(text, row + line, x) })),
  };
};

const headOf = (graph: ChartGraph, node: ChartNode): Head => {
  const note = node.invokes.length === 0 ? undefined : `invokes ${node.invokes.join(', ')}`;
  const inner = innerOf(graph, node);
  const widthOfAll = (texts: readonly string[]): number =>
    Math.max(
      minWidth - 2 * padding.x,
      widthOf(node.key) + countGap + countWidth,
      widthOf(note ?? ''),
      ...inner.map(({ text, x }) => x + widthOf(text)),
      ...texts.map(widthOf),
    );
  const description = shownOf(node, charactersIn(widthOfAll([])));
  const innerRows = Math.max(0, ...inner.map(({ row }) => row + 1));
  const rows = 1 + (note === undefined ? 0 : 1) + description.length + innerRows;
  return {
    width: 2 * padding.x + widthOfAll(description),
    height: 2 * padding.y + lineHeight * rows,
    note,
    description,
    inner,
  };
};

/** The lines of a description that fit. If lines are left out, the last one ends with an ellipsis. */
const shownOf = ({ kind, description = '' }: ChartNode, characters: number): string[] => {
  const room = kind === 'atomic' || kind === 'final' ? descriptionRoom.leaf : descriptionRoom.frame;
  const lines = wrap(description, Math.max(room.characters, characters));
  const shown = lines.slice(0, room.lines);
  return lines.length > room.lines ? [...shown.slice(0, -1), `${shown.at(-1)?.replace(/ \S+$/, '')}…`] : shown;
};

/** The transitions without a target, in columns. */
const innerOf = ({ edges }: ChartGraph, { id }: ChartNode): Head['inner'] => {
  const inner = edges.filter(({ from, to }) => from === id && to === undefined);
  for (let rows = minRows; ; rows++) {
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
