import elk from 'elkjs/lib/elk.bundled.js';
import { type Drawing, widest } from './drawing.ts';
import { elkGraphOf, type Plan } from './elkGraph.ts';
import type { ChartGraph } from './graph.ts';
import type { LabelStyle } from './labels.ts';
import { place } from './place.ts';
import { regionsOf, stack, widestRegion } from './regions.ts';

/**
 * Lays out a chart, at most `widest` px wide. The same graph always gives the same drawing, byte for byte.
 *
 * Regions that no transition joins are laid out separately and stacked. Runs at build time only: a large chart blocks the
 * event loop for seconds.
 *
 * @throws Error if no plan is narrow enough: the machine must be split, or its names shortened.
 */
export const layOut = async (graph: ChartGraph): Promise<Drawing> => {
  const regions: Drawing[] = [];
  for (const region of regionsOf(graph)) regions.push(await layOutWhole(region, widestRegion));
  const drawing = regions.length === 0 ? await layOutWhole(graph, widest) : stack(graph, regions);
  if (drawing.width > widest) throw tooWide(graph, drawing.width, widest);
  return drawing;
};

const freely = (labels: LabelStyle): Plan[] => [
  { labels, direction: 'DOWN' },
  { labels, direction: 'RIGHT' },
];
const inRows = (labels: LabelStyle, ...sizes: number[]): Plan[] =>
  sizes.map((abreast) => ({ labels, direction: 'DOWN', abreast }));

/**
 * The plans for a chart, in groups. The first group with a drawing that is narrow enough is used, and of that group the
 * drawing with the smallest height. Rows become shorter before labels do.
 */
const plans: readonly (readonly Plan[])[] = [
  freely('wide'),
  inRows('wide', 4, 3),
  freely('narrow'),
  inRows('narrow', 4, 3),
  freely('number'),
  inRows('number', 4, 3),
  inRows('number', 2),
];

const layOutWhole = async (graph: ChartGraph, room: number): Promise<Drawing> => {
  let narrowest = Number.POSITIVE_INFINITY;
  for (const alternatives of plans) {
    const drawings: Drawing[] = [];
    for (const plan of alternatives) {
      drawings.push(place(graph, await new elk.default().layout(elkGraphOf(graph, plan)), plan, room));
    }
    const [lowest] = drawings.filter(({ width }) => width <= room).sort((a, b) => a.height - b.height);
    if (lowest !== undefined) return lowest;
    narrowest = Math.min(narrowest, ...drawings.map(({ width }) => width));
  }
  throw tooWide(graph, narrowest, room);
};

const tooWide = ({ name }: ChartGraph, width: number, room: number): Error =>
  new Error(`the chart of ${name} needs ${width} px, the maximum is ${room}: split the machine, or shorten its names`);
