import { charts as machines } from '../../src/charts.ts';
import { graphOf } from './graph.ts';
import { layOut } from './layout.ts';
import { svgOf } from './svg.ts';

/** The charts that `docs/charts/` shows: the text of each file by its name. */
export const drawCharts = async (): Promise<Map<string, string>> => {
  const charts = new Map<string, string>();
  for (const machine of Object.values(machines)) {
    const drawing = await layOut(graphOf(machine));
    charts.set(`${drawing.name}.svg`, svgOf(drawing, { isStandalone: true }));
  }
  return charts;
};
