/**
 * `npm run charts`: lays out the chart of each machine and writes it to `docs/charts/`.
 *
 * The files are checked in. The README shows them, the inspector serves them, and the package contains them. One copy
 * serves all three, a checkout needs no build to have it, and a layout runs only when a machine has changed: it takes
 * several seconds, which `npm run build` (and so each install of a checkout) does not have to spend. A test fails when a
 * file is stale.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { charts } from '../src/charts.ts';
import { graphOf } from '../visualize/charts/graph.ts';
import { layOut } from '../visualize/charts/layout.ts';
import { svgOf } from '../visualize/charts/svg.ts';

const folder = new URL('../docs/charts/', import.meta.url);
await mkdir(folder, { recursive: true });
for (const machine of Object.values(charts)) {
  const file = new URL(`${machine.id}.svg`, folder);
  await writeFile(file, svgOf(await layOut(graphOf(machine))));
  console.log(fileURLToPath(file));
}
