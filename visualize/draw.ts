/** `npm run charts`: writes `docs/charts/` from the machines. A test fails when a file is not what this would write. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { drawCharts } from './charts/docs.ts';

const folder = new URL('../docs/charts/', import.meta.url);
await mkdir(folder, { recursive: true });
for (const [name, svg] of await drawCharts()) {
  const file = new URL(name, folder);
  await writeFile(file, svg);
  console.log(fileURLToPath(file));
}
