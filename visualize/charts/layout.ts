import elk from 'elkjs/lib/elk.bundled.js';
import { type Drawing, tallest, widest } from './drawing.ts';
import { elkGraphOf, type Plan } from './elkGraph.ts';
import type { ChartGraph } from './graph.ts';
import { place } from './place.ts';
import { regionsOf, stack, widestRegion } from './regions.ts';

/**
 * Lays out a chart, at most `widest` px wide, and at most `tallest` px high if a plan can do that. The same graph always gives
 * the same drawing, byte for byte.
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

const inWords = { labels: 'wide', direction: 'DOWN' } as const;
const inShortLines = { labels: 'narrow', direction: 'DOWN' } as const;
const inNumbers = { labels: 'number', direction: 'DOWN' } as const;
const sideways = { shape: 'slim', against: 'back', direction: 'RIGHT' } as const;

/**
 * The plans for a chart, in groups. The first group with a drawing that is small enough is used, and of that group the
 * drawing with the smallest height. The order of the states is given up before words in labels are.
 */
const plans: readonly (readonly Plan[])[] = [
  [
    { ...inWords, shape: 'slim', against: 'back' },
    { ...inWords, ...sideways },
  ],
  [{ ...inWords, shape: 'broad', against: 'back' }],
  [
    { ...inWords, shape: 'slim', against: 'fewest' },
    { ...inWords, shape: 'slim', against: 'back', abreast: 4 },
    { ...inWords, shape: 'slim', against: 'back', abreast: 3 },
    { ...inWords, shape: 'broad', against: 'fewest', abreast: 4 },
  ],
  [
    { ...inShortLines, shape: 'slim', against: 'back' },
    { ...inShortLines, ...sideways },
    { ...inShortLines, shape: 'slim', against: 'back', abreast: 4 },
    { ...inShortLines, shape: 'slim', against: 'back', abreast: 3 },
  ],
  [
    { ...inNumbers, shape: 'slim', against: 'back' },
    { ...inNumbers, ...sideways },
    { ...inNumbers, shape: 'slim', against: 'back', abreast: 4 },
    { ...inNumbers, shape: 'slim', against: 'back', abreast: 3 },
  ],
  [{ ...inNumbers, shape: 'slim', against: 'back', abreast: 2 }],
];

const layOutWhole = async (graph: ChartGraph, room: number): Promise<Drawing> => {
  let narrowest = Number.POSITIVE_INFINITY;
  let tooHigh: Drawing | undefined;
  for (const alternatives of plans) {
    const drawings: Drawing[] = [];
    for (const plan of alternatives) {
      drawings.push(place(graph, await new elk.default().layout(elkGraphOf(graph, plan)), plan, room));
    }
    const [lowest] = drawings.filter(({ width }) => width <= room).sort((a, b) => a.height - b.height);
    if (lowest !== undefined && lowest.height <= tallest) return lowest;
    tooHigh ??= lowest;
    narrowest = Math.min(narrowest, ...drawings.map(({ width }) => width));
  }
  if (tooHigh !== undefined) return tooHigh;
  throw tooWide(graph, narrowest, room);
};

const tooWide = ({ name }: ChartGraph, width: number, room: number): Error =>
  new Error(`the chart of ${name} needs ${width} px, the maximum is ${room}: split the machine, or shorten its names`);
