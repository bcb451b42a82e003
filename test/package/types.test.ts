/** What the package gives to its users: types that compile with their settings, and only the subpaths that are meant. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeDeclarations } from '../../scripts/build/declarations.ts';
import { packageRoot } from '../../src/package.ts';

const run = promisify(execFile);
const tsc = (...args: string[]): Promise<string> =>
  run(process.execPath, [`${packageRoot}node_modules/typescript/bin/tsc`, '--singleThreaded', ...args], {
    cwd: packageRoot,
  }).then(
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

/** The options, the methods of interfaces and classes, the functions and constants that a declaration exports under this name. */
const membersOf = (text: string, name: string): { readonly name: string; readonly hasDocs: boolean }[] => {
  const lines = text.split('\n');
  const at = (i: number, member = '') => ({
    name: `${name}${member}`,
    hasDocs: lines[i - 1]?.trimEnd().endsWith('*/') === true,
  });
  const value = lines.findIndex((line) => new RegExp(`^export declare (const|function) ${name}\\b`).test(line));
  if (value >= 0) return [at(value)];
  const begin = lines.findIndex((line) => new RegExp(`^export (declare class|interface) ${name}\\b`).test(line));
  if (begin < 0) return [];
  const option = /^ +(?:readonly )?(\w+)\??: /;
  const method = /^ {4}(?!constructor)(\w+|\[[\w.]+\])[<(]/;
  return lines.slice(begin, begin + lines.slice(begin).indexOf('}')).flatMap((line, i) => {
    const found = (name.endsWith('Options') ? option : method).exec(line)?.[1];
    return found === undefined ? [] : [at(begin + i, `.${found}`)];
  });
};

test('every option, method and function of the library has docs on hover', async () => {
  const dist = `${folder}/node_modules/jobservice-reaper/dist/src`;
  const declaration = (path: string) => readFile(`${dist}/${path.replace(/\.[jt]s$/, '')}.d.ts`, 'utf8');
  const exportsIn = (text: string) =>
    [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '\.\/([^']*)';$/gm)].flatMap(([, names = '', path = '']) =>
      names.split(',').flatMap((word) => {
        const name = word.replace('type ', '').trim();
        return name === '' ? [] : [{ name, path }];
      }),
    );
  const given = [
    // What these two are made of is in other files than those that export them.
    { name: 'ReaperOptions', path: 'options/generated' },
    { name: 'EventSource', path: 'reaper/events' },
    ...exportsIn(await declaration('index')),
  ];
  const found = [];
  for (const { name, path } of given) {
    found.push(...membersOf(await declaration(path), name));
  }
  const names = found.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['createReaper', 'ReaperOptions.redis', 'ReaperOptions.maxEntries', 'Reaper.stop']),
  );
  expect(found.filter(({ hasDocs }) => !hasDocs).map(({ name }) => name)).toEqual([]);
});

test.each(['dist/src/index.js', 'src/index.ts', 'package.json', 'errors'])('%s cannot be imported', (path) => {
  const { resolve } = createRequire(`${packageRoot}package.json`);
  expect(() => resolve(`jobservice-reaper/${path}`)).toThrow(/not defined by "exports"/);
});
