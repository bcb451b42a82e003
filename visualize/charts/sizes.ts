import type { ChartEdge, ChartGraph, ChartNode } from './graph.ts';
import { lineHeight, widthOf } from './text.ts';

/** A size, px. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Between the text of a state and its border, px. */
export const statePadding = { x: 10, y: 6 };
/** Between the text of a label and its border, px. */
export const labelPadding = { x: 5, y: 1 };
/** Between the name of a state and its count, px. */
const countGap = 6;
/** Between two columns of inner transitions, px. */
const innerGap = 24;
/** Lines of a column of inner transitions. */
const innerRows = 4;
/** Short names have states of one width, so that they stand in line, px. */
const leastWidth = 146;
/** A longer label is broken before its guard, characters. */
const longestLine = 16;

/** Room for a count of nine characters, px. */
export const countWidth = widthOf('1,234,567');
/** Radius of the dot of an initial state, px. */
export const initialRadius = 5;

/** What a state does while it is active, in words. */
export const noteOf = ({ invokes }: ChartNode): string | undefined =>
  invokes.length === 0 ? undefined : `invokes ${invokes.join(', ')}`;

/** Transitions that lead nowhere, as lines of text in their state: a column of them. */
export interface InnerColumn {
  /** From the left of the first column, px. */
  readonly x: number;
  readonly width: number;
  readonly edges: readonly ChartEdge[];
}

export const innerColumnsOf = ({ edges }: ChartGraph, { id }: ChartNode): InnerColumn[] => {
  const inner = edges.filter(({ from, to }) => from === id && to === undefined);
  const columns: InnerColumn[] = [];
  let x = 0;
  for (let first = 0; first < inner.length; first += innerRows) {
    const column = inner.slice(first, first + innerRows);
    const width = Math.max(...column.map(({ label }) => widthOf(label)));
    columns.push({ x, width, edges: column });
    x += width + innerGap;
  }
  return columns;
};

/** The head of a state: its name and count, what it invokes, its inner transitions. */
export const headSizeOf = (graph: ChartGraph, node: ChartNode): Size => {
  const note = noteOf(node);
  const columns = innerColumnsOf(graph, node);
  const rows = (note === undefined ? 1 : 2) + (columns[0]?.edges.length ?? 0);
  const widths = [
    widthOf(node.key) + countGap + countWidth,
    widthOf(note ?? ''),
    ...columns.map(({ x, width }) => x + width),
  ];
  return {
    width: Math.max(leastWidth, 2 * statePadding.x + Math.max(...widths)),
    height: 2 * statePadding.y + lineHeight * rows,
  };
};

/** The lines of a label: a long one has its guard on a line of its own. */
export const linesOf = (label: string): string[] => {
  const guardAt = label.indexOf(' [');
  return label.length <= longestLine || guardAt === -1 ? [label] : [label.slice(0, guardAt), label.slice(guardAt + 1)];
};

export const labelSizeOf = (label: string): Size => {
  const lines = linesOf(label);
  return {
    width: 2 * labelPadding.x + Math.max(...lines.map(widthOf)),
    height: 2 * labelPadding.y + lineHeight * lines.length,
  };
};
