import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { packageRoot } from '../src/package.ts';
import { optionsJsonSchema } from './docs/jsonSchema.ts';
import { withLogCodes } from './docs/logTable.ts';
import { manPage } from './docs/manPage.ts';
import { metricsTable } from './docs/metricsTable.ts';
import { optionsTable } from './docs/optionsTable.ts';
import { optionTypes } from './docs/optionTypes.ts';
import { withRenames } from './docs/upgrading.ts';
import { valuesSchema } from './docs/valuesSchema.ts';

/** Files that are generated from the schema of the options, the commands, and the catalogues of metrics and of log codes, and their texts. A test fails if one of them is not current. */
export const generated = (): Readonly<Record<string, string>> => ({
  'src/options/generated.ts': optionTypes(),
  'docs/options.md': optionsTable(),
  'docs/options.schema.json': optionsJsonSchema(),
  'docs/metrics.md': metricsTable(),
  'deploy/helm/jobservice-reaper/values.schema.json': valuesSchema(),
  'docs/operations.md': withLogCodes(readFileSync(`${packageRoot}docs/operations.md`, 'utf8')),
  'man/reaper.1': manPage(),
  'docs/upgrading.md': withRenames(readFileSync(`${packageRoot}docs/upgrading.md`, 'utf8')),
});

if (import.meta.url === `file://${process.argv[1]}`) {
  for (const [file, text] of Object.entries(generated())) writeFileSync(file, text);
  execFileSync('npx', [
    'biome',
    'format',
    '--write',
    ...Object.keys(generated()).filter((file) => !/\.(md|1)$/.test(file)),
  ]);
}
