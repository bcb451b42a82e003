import type { ChartNode } from './graph.ts';

/** A rectangle, px. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A line of text, and the room that it takes. */
export interface Line {
  readonly text: string;
  readonly box: Box;
}

/** A chart with a place for everything, in absolute coordinates, px. */
export interface Drawing {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** Outermost first. */
  readonly nodes: readonly DrawnNode[];
  /** In the order of their indices. */
  readonly edges: readonly DrawnEdge[];
  readonly initials: readonly DrawnInitial[];
}

export interface DrawnNode {
  readonly id: string;
  readonly kind: ChartNode['kind'];
  /** Whether it is a region of a parallel state, active together with its siblings. */
  readonly isRegion: boolean;
  readonly box: Box;
  readonly name: Line;
  /** Where a count of up to nine characters goes. */
  readonly count: Box;
  /** What it invokes. */
  readonly note: Line | undefined;
  /** The transitions that leave it active and only act. */
  readonly inner: readonly InnerLine[];
}

export interface InnerLine {
  /** Index of the transition in its graph. */
  readonly index: number;
  readonly line: Line;
}

export interface DrawnEdge {
  /** Index of the transition in its graph. */
  readonly index: number;
  readonly from: string;
  readonly to: string;
  /** From the border of the one state to the border of the other, in straight lines. */
  readonly points: readonly Point[];
  /** Whether an edge before it runs between the same states: they share their points, and each has its own label. */
  readonly isShared: boolean;
  readonly label: { readonly box: Box; readonly lines: readonly Line[] };
}

/** The dot of an initial state, and the arrow from it. */
export interface DrawnInitial {
  readonly of: string;
  readonly centre: Point;
  readonly points: readonly Point[];
}
