/** docs/architecture.md leads a reader through the code: the files and names in it exist, and both hop lists are complete. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../src/package.ts';

const read = (path: string) => readFileSync(join(packageRoot, path), 'utf8');
const page = read('docs/architecture.md');
const picture = read('docs/architecture.svg');
const missing = (paths: readonly string[]) => paths.filter((path) => !existsSync(join(packageRoot, path)));
/** What a text names in backquotes that is a path: it has a slash, or ends like a file. */
const pathsIn = (text: string) =>
  [...text.matchAll(/`([\w./-]+)`/g)]
    .map(([, path = '']) => path)
    .filter((path) => /^[\w.-]+\//.test(path) || /\.(ts|tsx|lua|json|md|svg)$/.test(path));

test('every path that the page names exists', () => {
  const paths = pathsIn(page);
  expect(paths.length).toBeGreaterThan(60);
  expect(missing(paths)).toEqual([]);
});

test('a path that is gone is found', () => {
  expect(missing(pathsIn('`src/io/acts.ts`, `src/io/gone.ts`, `gone.ts` and `retryable`'))).toEqual([
    'src/io/gone.ts',
    'gone.ts',
  ]);
});

const sectionOf = (title: string) => page.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
/** The files that a hop list begins its lines with. */
const hopsOf = (title: string) => [...sectionOf(title).matchAll(/^\d+\. `([\w./-]+)`: \S/gm)].map(([, path]) => path);

const jobHops = 'A job, from its scan to its ACK';
const poolHops = 'A dead pool, from suspicion to requeue';

test.each([
  [jobHops, 'src/machines/sweep.ts', 'lua/hooks/record_delivered.lua', 24],
  [poolHops, 'src/machines/rescue.ts', 'lua/pools/deregister_pool.lua', 13],
])('the hop list is complete: %s', (title, first, last, count) => {
  const hops = hopsOf(title);
  expect([hops[0], hops.at(-1), hops.length]).toEqual([first, last, count]);
  expect(new Set(hops).size).toBe(count);
});

/** Each name in backquotes, with the path that was named last before it. */
const namesIn = (text: string) => {
  let path = '';
  return [...text.matchAll(/`([\w./-]+)`/g)].flatMap(([, word = '']) => {
    if (pathsIn(`\`${word}\``).length === 0) return [{ path, name: word }];
    path = word;
    return [];
  });
};
const isIn = ({ path, name }: { path: string; name: string }) => read(path).includes(name);

test.each([
  [jobHops, 10],
  [poolHops, 5],
  ['Where is …', 5],
])('every name stands in the file that is named before it: %s', (title, atLeast) => {
  const names = namesIn(sectionOf(title));
  expect(names.length).toBeGreaterThanOrEqual(atLeast);
  expect(names.filter((named) => !isIn(named))).toEqual([]);
});

test('a name that is not in its file is found', () => {
  const names = namesIn('`src/io/acts.ts`: `fail`, then `src/machines/job.ts`: `compare`, `noSuchState`');
  expect(names.filter((named) => !isIn(named))).toEqual([{ path: 'src/machines/job.ts', name: 'noSuchState' }]);
});

/** The boxes of the picture with the files or folders that they stand for. */
const boxes = [
  ...picture.matchAll(/<rect class="box" data-path="([^"]+)" x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"/g),
].map(([, path = '', ...numbers]) => {
  const [x = 0, y = 0, width = 0, height = 0] = numbers.map(Number);
  return { path, x, y, width, height };
});

test('the picture shows files that exist, and every machine that has a chart', async () => {
  expect(missing(boxes.map(({ path }) => path))).toEqual([]);
  const { charts } = await import('../src/charts.ts');
  expect(boxes.map(({ path }) => path)).toEqual(
    expect.arrayContaining(Object.keys(charts).map((name) => `src/machines/${name}.ts`)),
  );
});

test('the picture is no wider than 1,000 px, with text of 12 px, and no boxes overlap', () => {
  expect(Number(/ width="(\d+)"/.exec(picture)?.[1])).toBeLessThanOrEqual(1_000);
  expect(picture).toMatch(/text \{ font: 12px /);
  const overlapping = boxes.flatMap((a, i) =>
    boxes
      .slice(i + 1)
      .filter((b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height)
      .map((b) => [a.path, b.path]),
  );
  expect(overlapping).toEqual([]);
});
