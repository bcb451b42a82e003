/** The package as npm publishes it: what is in it, how big it is, and that it works without development dependencies. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { specifiersIn } from '../../scripts/build/declarations.ts';
import { packageRoot, version } from '../../src/package.ts';
import { type Packed, packPackage } from '../support/packed.ts';

let packed: Packed;
let paths: readonly string[];
beforeAll(async () => {
  packed = await packPackage();
  paths = packed.files.map(({ path }) => path);
});
afterAll(() => packed.remove());

const manifest = JSON.parse(readFileSync(`${packageRoot}package.json`, 'utf8'));
const read = (path: string) => readFileSync(join(packed.folder, 'node_modules/jobservice-reaper', path), 'utf8');
/** Runs Node in the folder that has the package in its `node_modules`. */
const node = (...args: string[]) =>
  promisify(execFile)(process.execPath, args, { cwd: packed.folder }).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );

test('it holds what its manifest names, all pages, charts, scripts and licenses', () => {
  const named = Object.values<{ types: string; default: string }>(manifest.exports).flatMap(Object.values);
  expect(paths).toEqual(expect.arrayContaining([manifest.bin.reaper, ...named].map((path) => path.replace('./', ''))));
  expect(paths).toEqual(
    expect.arrayContaining(['README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE', 'dist/LICENSES.txt']),
  );
  const here = (folder: string, end: string) =>
    readdirSync(`${packageRoot}${folder}`, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith(end) && !name.startsWith('site/'))
      .map((name) => `${folder}/${name}`);
  expect(here('lua', '.lua').length).toBeGreaterThan(50);
  expect(paths).toEqual(
    expect.arrayContaining([...here('docs', '.md'), ...here('docs', '.svg'), ...here('lua', '.lua')]),
  );
});

test('the package, the image and the Helm chart name the same repository', () => {
  const url = manifest.repository.url.replace(/^git\+|\.git$/g, '');
  expect([manifest.homepage, manifest.bugs.url]).toEqual([`${url}#readme`, `${url}/issues`]);
  const sourceOf = (file: string, form: RegExp) => form.exec(readFileSync(`${packageRoot}${file}`, 'utf8'))?.[1];
  expect(sourceOf('Dockerfile', /image\.source="(.+)"/)).toBe(url);
  expect(sourceOf('deploy/helm/jobservice-reaper/Chart.yaml', /^home: (.+)$/m)).toBe(url);
});

test('it holds no source, no map without its sources, no test, no screenshot and nothing of the docs site', () => {
  const folders = [...new Set(paths.filter((path) => path.includes('/')).map((path) => path.split('/')[0]))].sort();
  expect(folders.filter((folder) => folder !== 'man')).toEqual(['dist', 'docs', 'lua']);
  expect(paths.filter((path) => /\.map$|\.png$|(?<!\.d)\.tsx?$|\.test\.|^docs\/site\//.test(path))).toEqual([]);
  const scripts = paths.filter((path) => path.endsWith('.js'));
  expect(scripts.length).toBeGreaterThan(5);
  expect(scripts.filter((path) => read(path).includes('sourceMappingURL'))).toEqual([]);
});

test('it is no bigger than 1 MB packed, 4.5 MB unpacked and 350 files', () => {
  expect(packed.size).toBeLessThan(1_000_000);
  expect(packed.unpackedSize).toBeLessThan(4_500_000);
  expect(paths.length).toBeLessThan(350);
});

test('its declarations import nothing but its dependencies, modules of Node and each other', () => {
  const declarations = paths.filter((path) => path.endsWith('.d.ts'));
  const imported = new Set(
    declarations.flatMap((path) => specifiersIn(read(path))).filter((name) => !/^\./.test(name)),
  );
  expect([...imported].filter((name) => !name.startsWith('node:')).sort()).toEqual(['ioredis', 'pino', 'xstate']);
  expect(Object.keys(manifest.dependencies)).toEqual(expect.arrayContaining(['ioredis', 'pino', 'xstate']));
});

test('its licenses name each package that is built into it', () => {
  const licenses = read('dist/LICENSES.txt');
  for (const name of ['zod', 'yaml', 'commander', 'prom-client', 'tdigest']) {
    expect(licenses).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
  }
});

test('the command runs without development dependencies', async () => {
  const main = `node_modules/jobservice-reaper/${manifest.bin.reaper}`;
  expect(await node(main, '--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
});

test('inspect.stately without its package is an error that says what to install', async () => {
  const script = `
    import { createReaper } from 'jobservice-reaper';
    import { createInspector } from 'jobservice-reaper/inspector';
    const options = { redis: 'redis://127.0.0.1:1', namespace: 't', logger: false };
    const stately = 'ws://127.0.0.1:1';
    try { createReaper({ ...options, inspect: { stately } }); } catch ({ code, message }) { console.log(code, message); }
    await createInspector(createReaper(options), { stately }).catch(({ code, message }) => console.log(code, message));`;
  expect((await node('--input-type=module', '--eval', script)).stdout.trim().split('\n')).toEqual([
    'invalid-options createReaper: inspect.stately: needs the package @statelyai/inspect: npm install @statelyai/inspect',
    'invalid-options createInspector: stately: needs the package @statelyai/inspect: npm install @statelyai/inspect',
  ]);
});
