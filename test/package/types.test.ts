/** What the package gives to its users: types that compile with their settings, and only the subpaths that are meant. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDeclarations } from '../../scripts/build/declarations.ts';
import { packageRoot } from '../../src/package.ts';

const run = promisify(execFile);
const tsc = (...args: string[]): Promise<string> =>
  run(process.execPath, [`${packageRoot}node_modules/typescript/bin/tsc`, ...args], { cwd: packageRoot }).then(
    ({ stdout }) => stdout,
    (error) => error.stdout || String(error),
  );

/** A folder that has the built package in its `node_modules`. It is inside the project, so that the other packages are found. */
let folder = '';
beforeAll(async () => {
  await mkdir(`${packageRoot}.tmp`, { recursive: true });
  folder = await mkdtemp(`${packageRoot}.tmp/types-`);
  const built = `${folder}/node_modules/jobservice-reaper`;
  await mkdir(built, { recursive: true });
  await symlink(`${packageRoot}package.json`, `${built}/package.json`);
  await cp(`${packageRoot}test/package/consumer`, folder, { recursive: true });
  writeDeclarations(packageRoot, `${built}/dist`, ['src/index.ts', 'src/inspector.ts', 'src/charts.ts']);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const strict = {
  ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
  ...{ skipLibCheck: false, noEmit: true, target: 'es2023', lib: ['es2023', 'esnext.disposable'], types: ['node'] },
};
const compile = async (file: string, compilerOptions: object) => {
  await writeFile(`${folder}/package.json`, JSON.stringify({ type: 'module' }));
  await writeFile(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, files: [file] }));
  return tsc('-p', `${folder}/tsconfig.json`);
};

test.each([
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
])(
  'the types of all options and methods compile without skipLibCheck (%s, %s), with clients of ioredis 5 and 6 and loggers of pino 9 and 10, Fastify and the console',
  async (module, moduleResolution) => {
    expect(await compile('consumer.ts', { ...strict, module, moduleResolution })).toBe('');
  },
);

test('the charts compile with skipLibCheck, which the types of xstate need', async () => {
  await writeFile(
    `${folder}/charts.ts`,
    "import { charts } from 'jobservice-reaper/charts';\nexport const id: string = charts.supervisor.id;\n",
  );
  const options = { ...strict, skipLibCheck: true, module: 'nodenext', moduleResolution: 'nodenext' };
  expect(await compile('charts.ts', options)).toBe('');
});

test.each(['dist/src/index.js', 'src/index.ts', 'package.json', 'errors'])('%s cannot be imported', (path) => {
  const { resolve } = createRequire(`${packageRoot}package.json`);
  expect(() => resolve(`jobservice-reaper/${path}`)).toThrow(/not defined by "exports"/);
});
