/** The packages that the published package imports. Development dependencies are missing where it is installed. */
import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));

/** The packages that these modules import, directly or indirectly, statically or dynamically. */
const packagesOf = async (modules: readonly string[]): Promise<string[]> => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [...modules],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    outdir: 'unused',
    write: false,
    metafile: true,
  });
  const paths = Object.values(metafile.inputs).flatMap(({ imports }) =>
    imports.filter(({ external }) => external).map(({ path }) => path),
  );
  const packages = paths.filter((path) => !path.startsWith('node:') && !builtinModules.includes(path));
  return [...new Set(packages.map((path) => /^(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path))].sort();
};

const manifest = JSON.parse(await readFile(`${root}package.json`, 'utf8'));
const targets: (string | { default: string })[] = [manifest.bin.reaper, ...Object.values(manifest.exports)];
/** The sources of the entry points. */
const entries = targets
  .map((target) => (typeof target === 'string' ? target : target.default))
  .filter((path) => path.endsWith('.js'))
  .map((path) => path.replace('./dist/', '').replace(/\.js$/, '.ts'));

test('the package imports exactly its dependencies', async () => {
  expect(entries).toEqual(expect.arrayContaining(['src/cli/main.ts', 'src/index.ts']));
  expect(await packagesOf(entries)).toEqual(Object.keys(manifest.dependencies).sort());
});

test('the search finds elkjs where it is imported, and elkjs is a development dependency', async () => {
  expect(Object.keys(manifest.devDependencies)).toContain('elkjs');
  expect(await packagesOf(['scripts/charts.ts'])).toContain('elkjs');
});
