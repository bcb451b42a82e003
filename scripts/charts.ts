/**
 * `npm run charts`: lays out the chart of each machine and writes it to `docs/charts/`.
 *
 * The files are checked in: docs/charts.md shows them, the inspector serves them, and the package contains them. A layout takes
 * several seconds, so it runs only when a machine has changed, not with each build. A test fails when a file is stale.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { charts } from '../src/charts.ts';
import { layOut } from '../visualize/charts/layout.ts';
import { partsOf } from '../visualize/charts/parts.ts';
import { svgOf } from '../visualize/charts/svg.ts';

const folder = new URL('../docs/charts/', import.meta.url);
await mkdir(folder, { recursive: true });
for (const part of Object.values(charts).flatMap(partsOf)) {
  const file = new URL(`${part.name}.svg`, folder);
  await writeFile(file, svgOf(await layOut(part)));
  console.log(fileURLToPath(file));
}
