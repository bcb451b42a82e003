import type { ChartNode } from './graph.ts';
import { lineHeight, round, widthOf } from './text.ts';

/** Maximum width of a chart, px: readable at full size on a laptop and in a README. */
export const widest = 1_000;
/** Height that a chart has at most where that is possible, px. */
export const tallest = 1_000;
/** Radius of the dot of an initial state, px. */
export const initialRadius = 5;
/** Room for the dot of an initial state and its arrow, px. */
export const dotRoom = { along: 26, across: 28 };
/** Margin around the frame of a chart, so that its stroke is not cut off, px. */
export const margin = 2;

/** A size, px. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A rectangle, px. */
export interface Box extends Point, Size {}

/** A line of text and its box. */
export interface Line {
  readonly text: string;
  readonly box: Box;
}

/** A chart that is laid out, in absolute coordinates, px. */
export interface Drawing extends Size {
  readonly name: string;
  /** Outermost first. */
  readonly nodes: readonly DrawnNode[];
  /** In the order of their indices. */
  readonly edges: readonly DrawnEdge[];
  readonly initials: readonly DrawnInitial[];
  /** The list below the chart: the transitions whose labels are only numbers. */
  readonly legend: readonly IndexedLine[];
}

export interface DrawnNode {
  readonly id: string;
  readonly kind: ChartNode['kind'];
  readonly isRegion: boolean;
  /** Whether another chart shows the states in it. */
  readonly isCollapsed: boolean;
  readonly box: Box;
  readonly name: Line;
  /** Room for a count of up to nine characters. */
  readonly count: Box;
  /** The actors that the state invokes; how many states another chart shows. */
  readonly notes: readonly Line[];
  /** The complete description, and as many lines of it as fit. */
  readonly description: { readonly text: string; readonly lines: readonly Line[] } | undefined;
  /** The transitions that have actions but no target. */
  readonly inner: readonly IndexedLine[];
}

/** A line of text about one transition. */
export interface IndexedLine {
  /** Index of the transition in its graph. */
  readonly index: number;
  readonly line: Line;
}

export interface DrawnEdge {
  /** Index of the transition in its graph. */
  readonly index: number;
  /** Indices of the transitions that are drawn as this one. */
  readonly also: readonly number[];
  readonly from: string;
  readonly to: string;
  /** The complete event and guard, also if the label is shorter. */
  readonly text: string;
  /** Straight lines from the border of one state to the border of the other. */
  readonly points: readonly Point[];
  /** Whether an earlier edge joins the same states. Such edges share their points; each has its own label. */
  readonly isShared: boolean;
  readonly label: { readonly box: Box; readonly lines: readonly Line[] };
}

/** The dot of an initial state, and the arrow from it. */
export interface DrawnInitial {
  readonly of: string;
  readonly centre: Point;
  readonly points: readonly Point[];
}

/** A box, rounded to a tenth of a px. */
export const boxOf = ({ x = 0, y = 0, width = 0, height = 0 }: Partial<Box>): Box => ({
  x: round(x),
  y: round(y),
  width: round(width),
  height: round(height),
});

/** A line of text with its upper left corner at a point. */
export const lineAt = (text: string, x: number, y: number): Line => ({
  text,
  box: boxOf({ x, y, width: widthOf(text), height: lineHeight }),
});

/** Moves a drawing. */
export const moved = (drawing: Drawing, by: Point): Drawing => {
  const point = ({ x, y }: Point): Point => ({ x: round(x + by.x), y: round(y + by.y) });
  const box = <Some extends Box>(some: Some): Some => ({ ...some, ...point(some) });
  const line = (some: Line): Line => ({ ...some, box: box(some.box) });
  const indexed = ({ index, line: some }: IndexedLine): IndexedLine => ({ index, line: line(some) });
  return {
    ...drawing,
    nodes: drawing.nodes.map((node) => ({
      ...node,
      box: box(node.box),
      name: line(node.name),
      count: box(node.count),
      notes: node.notes.map(line),
      description: node.description && { ...node.description, lines: node.description.lines.map(line) },
      inner: node.inner.map(indexed),
    })),
    edges: drawing.edges.map(({ points, label, ...edge }) => ({
      ...edge,
      points: points.map(point),
      label: { box: box(label.box), lines: label.lines.map(line) },
    })),
    initials: drawing.initials.map(({ of, centre, points }) => ({
      of,
      centre: point(centre),
      points: points.map(point),
    })),
    legend: drawing.legend.map(indexed),
  };
};
