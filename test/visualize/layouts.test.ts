/** How often charts are laid out: each layout blocks the event loop, so their number is what has a bound. */
import { beforeEach, expect, test, vi } from 'vitest';
import { charts } from '../../src/charts.ts';
import { loadAssets } from '../../visualize/assets.ts';
import { partsOf } from '../../visualize/charts/elkGraph.ts';
import { graphOf } from '../../visualize/charts/graph.ts';
import { layOut } from '../../visualize/charts/layout.ts';
import { chartNames } from '../../visualize/protocol.ts';

const { default: elk } = await import('elkjs/lib/elk.bundled.js');
const layouts = vi.spyOn(elk.default.prototype, 'layout');
beforeEach(() => void layouts.mockClear());

/** One for the chart, and one for each part that is tried in the other direction. */
const layoutsOf = (name: (typeof chartNames)[number]) => 1 + partsOf(graphOf(charts[name])).length;

test.each(chartNames)('the chart of a %s takes one layout, and one more for each of its parts', async (name) => {
  await layOut(graphOf(charts[name]));
  expect(layouts).toHaveBeenCalledTimes(layoutsOf(name));
});

test('a process lays each chart out once, for all its inspectors and however many ask at once', async () => {
  const inspectors = await Promise.all([loadAssets(), loadAssets()]);
  const askAll = () =>
    Promise.all(inspectors.flatMap((assets) => chartNames.map((name) => assets.get(`/charts/${name}.svg`)?.())));
  const [first] = await Promise.all([askAll(), askAll()]);
  expect(layouts).toHaveBeenCalledTimes(chartNames.reduce((sum, name) => sum + layoutsOf(name), 0));
  layouts.mockClear();
  expect(await askAll()).toEqual(first);
  expect(layouts).not.toHaveBeenCalled();
});
