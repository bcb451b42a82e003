/** docs/architecture.md leads a reader through the code: what it names exists, and both hop lists are complete. */
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

/** The files that a hop list begins its lines with. */
const hopsOf = (title: string) => {
  const [, section = ''] = page.split(`\n## ${title}\n`);
  return [...(section.split('\n## ')[0] ?? '').matchAll(/^\d+\. `([\w./-]+)`: \S/gm)].map(([, path]) => path);
};

test.each([
  ['A job, from its scan to its ACK', 'src/machines/sweep.ts', 'lua/hooks/record_delivered.lua', 17],
  ['A dead pool, from suspicion to requeue', 'src/machines/rescue.ts', 'lua/pools/requeue.lua', 10],
])('the hop list is complete: %s', (title, first, last, count) => {
  const hops = hopsOf(title);
  expect([hops[0], hops.at(-1), hops.length]).toEqual([first, last, count]);
  expect(new Set(hops).size).toBe(count);
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
