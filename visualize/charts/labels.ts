/** The labels of transitions, and the list below a chart that has no room for complete labels. */
import { boxOf, type DrawnEdge, type IndexedLine, lineAt, margin, type Size } from './drawing.ts';
import type { ChartEdge, ChartGraph } from './graph.ts';
import type { Route } from './straighten.ts';
import { lineHeight, widthOf, wrap } from './text.ts';

/**
 * The content of labels. `wide`: event and guard, each on its own line if they are long. `narrow`: the same in short lines.
 * `number`: a number; a list below the chart has event and guard.
 */
export type LabelStyle = 'wide' | 'narrow' | 'number';

/** The transitions from one state to another. They are drawn as one line with a label for each. */
export interface Bundle {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly edges: readonly ChartEdge[];
}

/** Distance between the text of a label and its border, px. */
const padding = { x: 5, y: 1 };
/** Distance between the labels of a bundle, px. */
const gap = 3;
/** A longer label has its guard on a second line, characters. */
const maxLine = 16;
/** A longer line of a narrow label is broken, characters. */
const maxNarrowLine = 11;
/** Distance between the columns of the list, and between the chart and the list, px. */
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

/** The size of a bundle's labels, one below the other. */
export const bundleSizeOf = ({ edges }: Bundle, style: LabelStyle): Size => {
  const sizes = edges.map((edge) => labelSizeOf(edge, style));
  return {
    width: Math.max(...sizes.map(({ width }) => width)),
    height: sizes.reduce((sum, { height }) => sum + height, gap * (edges.length - 1)),
  };
};

/** Draws the transitions of a bundle, with their labels where the route has room for them. */
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

/** The list of all transitions by number. It starts at `top`, and has as many columns as fit into `room` px. */
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
  const isShort = edge.label.length <= maxLine || guardAt === -1;
  const parts = isShort ? [edge.label] : [edge.label.slice(0, guardAt), edge.label.slice(guardAt + 1)];
  return style === 'wide' ? parts : parts.flatMap((part) => wrap(part, maxNarrowLine));
};

const labelSizeOf = (edge: ChartEdge, style: LabelStyle): Size => {
  const lines = linesOf(edge, style);
  return {
    width: 2 * padding.x + Math.max(...lines.map(widthOf)),
    height: 2 * padding.y + lineHeight * lines.length,
  };
};
