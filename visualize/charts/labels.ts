/** The labels of transitions, and the list below a chart that has no room for them. */
import { boxOf, type DrawnEdge, type IndexedLine, lineAt, margin, type Size } from './drawing.ts';
import type { ChartEdge, ChartGraph } from './graph.ts';
import type { Route } from './straighten.ts';
import { lineHeight, widthOf, wrap } from './text.ts';

/**
 * How much of a transition its label says: `wide` has event and guard, on a line each where they are long; `narrow` has
 * the same in short lines; `number` has a number, and a list below the chart says the rest.
 */
export type LabelStyle = 'wide' | 'narrow' | 'number';

/** Transitions between the same two states, which are drawn as one line with a label for each. */
export interface Bundle {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly edges: readonly ChartEdge[];
}

/** Between the text of a label and its border, px. */
const padding = { x: 5, y: 1 };
/** Between the labels of a bundle, px. */
const gap = 3;
/** A longer label has its guard on a line of its own, characters. */
const longestLine = 16;
/** A longer line of a narrow label is broken, characters. */
const longestNarrowLine = 11;
/** Between the columns of the list, and between the chart and the list, px. */
const listGap = { x: 24, y: 10 };

export const bundlesOf = ({ edges }: ChartGraph): Bundle[] => {
  const bundles = new Map<string, { id: string; from: string; to: string; edges: ChartEdge[] }>();
  for (const edge of edges) {
    const { from, to } = edge;
    if (to === undefined) continue;
    const id = `bundle ${JSON.stringify([from, to])}`;
    const bundle = bundles.get(id) ?? { id, from, to, edges: [] };
    bundle.edges.push(edge);
    bundles.set(id, bundle);
  }
  return [...bundles.values()];
};

/** The labels of a bundle, one below the other. */
export const bundleSizeOf = ({ edges }: Bundle, style: LabelStyle): Size => {
  const sizes = edges.map((edge) => labelSizeOf(edge, style));
  return {
    width: Math.max(...sizes.map(({ width }) => width)),
    height: sizes.reduce((sum, { height }) => sum + height, gap * (edges.length - 1)),
  };
};

/** The transitions of a bundle, with their labels in the place that its route has for them. */
export const drawBundle = (
  { from, to, edges }: Bundle,
  { points, label: place = boxOf({}) }: Route,
  style: LabelStyle,
): DrawnEdge[] => {
  let { y } = place;
  return edges.map((edge, i) => {
    const { width, height } = labelSizeOf(edge, style);
    const box = boxOf({ x: place.x + (place.width - width) / 2, y, width, height });
    y += height + gap;
    const lines = linesOf(edge, style).map((text, row) =>
      lineAt(text, box.x + (width - widthOf(text)) / 2, box.y + padding.y + row * lineHeight),
    );
    return {
      index: edge.index,
      from,
      to,
      text: edge.label,
      points,
      isShared: i > 0,
      label: { box, lines },
    };
  });
};

/** The list of all transitions by their numbers, from `top` on, in as many columns as `room` px have place for. */
export const legendOf = (graph: ChartGraph, top: number, room: number): IndexedLine[] => {
  const keys = new Map(graph.nodes.map(({ id, key }) => [id, key]));
  const lines = graph.edges
    .filter(({ to }) => to !== undefined)
    .map((edge) => ({
      index: edge.index,
      text: `${numberOf(edge)} ${keys.get(edge.from)} → ${keys.get(edge.to ?? '')}: ${edge.label}`,
    }));
  const column = Math.max(0, ...lines.map(({ text }) => widthOf(text))) + listGap.x;
  const columns = Math.max(1, Math.floor((room - 2 * margin + listGap.x) / column));
  const rows = Math.ceil(lines.length / columns);
  return lines.map(({ index, text }, i) => ({
    index,
    line: lineAt(text, margin + Math.floor(i / rows) * column, top + listGap.y + (i % rows) * lineHeight),
  }));
};

const numberOf = ({ index }: ChartEdge): string => String(index + 1);

const linesOf = (edge: ChartEdge, style: LabelStyle): string[] => {
  if (style === 'number') return [numberOf(edge)];
  const guardAt = edge.label.indexOf(' [');
  const isShort = edge.label.length <= longestLine || guardAt === -1;
  const parts = isShort ? [edge.label] : [edge.label.slice(0, guardAt), edge.label.slice(guardAt + 1)];
  return style === 'wide' ? parts : parts.flatMap((part) => wrap(part, longestNarrowLine));
};

const labelSizeOf = (edge: ChartEdge, style: LabelStyle): Size => {
  const lines = linesOf(edge, style);
  return {
    width: 2 * padding.x + Math.max(...lines.map(widthOf)),
    height: 2 * padding.y + lineHeight * lines.length,
  };
};
