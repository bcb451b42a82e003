/** The labels of transitions, and the list below a chart that has no room for complete labels. */
import { boxOf, type DrawnEdge, type IndexedLine, lineAt, margin, type Size } from './drawing.ts';
import type { ChartEdge, ChartGraph } from './graph.ts';
import type { Shape } from './head.ts';
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
/** Labels of a bundle below each other. If there are more, they are side by side. */
const maxRows = { slim: 4, broad: 3 };
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

/** The size of a bundle's labels together. */
export const bundleSizeOf = (bundle: Bundle, style: LabelStyle, shape: Shape): Size => {
  const columns = columnsOf(bundle, style, shape);
  return {
    width: columns.reduce((sum, { width }) => sum + width, gap * (columns.length - 1)),
    height: Math.max(...columns.map(({ height }) => height)),
  };
};

/** Draws the transitions of a bundle, with their labels where the route has room for them. */
export const drawBundle = (
  bundle: Bundle,
  { points, label: place = boxOf({}) }: Route,
  style: LabelStyle,
  shape: Shape,
): DrawnEdge[] => {
  const { from, to, edges } = bundle;
  const { height: total } = bundleSizeOf(bundle, style, shape);
  let { x } = place;
  return columnsOf(bundle, style, shape).flatMap((column) => {
    let y = place.y + (total - column.height) / 2;
    const left = x;
    x += column.width + gap;
    return column.edges.map((edge) => {
      const { width, height } = labelSizeOf(edge, style);
      const box = boxOf({ x: left + (column.width - width) / 2, y, width, height });
      y += height + gap;
      const lines = linesOf(edge, style).map((text, row) =>
        lineAt(text, box.x + (width - widthOf(text)) / 2, box.y + padding.y + row * lineHeight),
      );
      return {
        index: edge.index,
        also: edge.also ?? [],
        from,
        to,
        text: edge.label,
        points,
        isShared: edge !== edges[0],
        label: { box, lines },
      };
    });
  });
};

interface Column extends Size {
  readonly edges: readonly ChartEdge[];
}

/** The labels of a bundle in columns of the same length, as far as possible. */
const columnsOf = ({ edges }: Bundle, style: LabelStyle, shape: Shape): Column[] => {
  const rows = Math.ceil(edges.length / Math.ceil(edges.length / maxRows[shape]));
  const columns: Column[] = [];
  for (let first = 0; first < edges.length; first += rows) {
    const column = edges.slice(first, first + rows);
    const sizes = column.map((edge) => labelSizeOf(edge, style));
    columns.push({
      edges: column,
      width: Math.max(...sizes.map(({ width }) => width)),
      height: sizes.reduce((sum, { height }) => sum + height, gap * (column.length - 1)),
    });
  }
  return columns;
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
