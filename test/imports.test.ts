/**
 * What the published package imports: no development dependency that is not built into it, because it would be missing where
 * the package is installed. And that io takes no code from the machines but the words that they share, which Biome cannot tell
 * from types (biome.json has the other rules on imports).
 */
import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { bundled } from '../scripts/build/bundled.ts';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Each module that these import, directly or through others, with its own imports, without those of types. */
const importsOf = async (modules: readonly string[]) => {
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
  return metafile.inputs;
};

/** The names of the packages that these modules import, directly or through others, statically or dynamically. */
const packagesOf = async (modules: readonly string[]): Promise<string[]> => {
  const paths = Object.values(await importsOf(modules)).flatMap(({ imports }) =>
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

test('the package imports exactly its dependencies and the packages that are built into it', async () => {
  expect(entries).toEqual(expect.arrayContaining(['src/cli/main.ts', 'src/index.ts']));
  const installed = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  expect(await packagesOf(entries)).toEqual([...installed, ...bundled].sort());
  expect(Object.keys(manifest.devDependencies)).toEqual(expect.arrayContaining(bundled));
});

test('undici is imported by its file: Bun has a module of its own under the bare name, which sends nothing', async () => {
  const imported = Object.values(await importsOf(entries)).flatMap(({ imports }) => imports.map(({ path }) => path));
  expect(imported).toContain('undici/index.js');
  expect(imported).not.toContain('undici');
});

test('what most users do not need is no dependency, and nothing asks them to install types', () => {
  expect(Object.keys(manifest.peerDependencies)).toEqual(Object.keys(manifest.peerDependenciesMeta));
  expect(Object.values(manifest.peerDependenciesMeta)).toEqual([{ optional: true }, { optional: true }]);
  expect(Object.keys(manifest.dependencies).filter((name) => name.startsWith('@types/'))).toEqual([]);
});

test('the search finds elkjs where it is imported, and elkjs is a development dependency', async () => {
  expect(Object.keys(manifest.devDependencies)).toContain('elkjs');
  expect(await packagesOf(['scripts/charts.ts'])).toContain('elkjs');
});

/** Modules of the machines whose functions and errors io uses. None of them is a chart. */
const shared = ['counts', 'facts', 'messageOf', 'lease', 'marks', 'refusal', 'verdict'].map(
  (name) => `src/machines/${name}.ts`,
);

test('io imports types from the machines, and code only from the modules that they share', async () => {
  const found = Object.entries(await importsOf(entries)).flatMap(([module, { imports }]) =>
    module.startsWith('src/io/')
      ? imports.map(({ path }) => path).filter((path) => path.startsWith('src/machines/'))
      : [],
  );
  expect(found).toContain('src/machines/facts.ts');
  expect([...new Set(found)].filter((path) => !shared.includes(path))).toEqual([]);
});
