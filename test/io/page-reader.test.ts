import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPageReader, type PageSource, type ReadPage } from '../../src/io/jobs/pageReader.ts';
import { SeenIds } from '../../src/io/jobs/seenIds.ts';
import { brokenIdFacts } from '../../src/io/jobs/stats.ts';
import { scanStart } from '../../src/io/jobs/trackedScan.ts';

const jobOf = (id: unknown) => brokenIdFacts(Buffer.from(String(id)), 0);
const idsOf = ({ jobs }: ReadPage) => jobs.map(({ facts }) => facts.id);
const flush = () => new Promise((resolve) => setImmediate(resolve));

/** Scans of these ids. `scan` and `readTracked` may be replaced. */
const sourceOf = (scans: readonly (readonly string[])[], more: Partial<PageSource> = {}): PageSource => ({
  scan: async (cursor) => {
    const at = Number(cursor);
    const next = String((at + 1) % scans.length);
    return { next: { cursor: next, runId: 'run' }, epoch: 1, ids: scans[at] as readonly string[] };
  },
  readTracked: async (ids) => ({ jobs: ids.map(jobOf), left: [] }),
  epoch: () => 1,
  pageSize: 3,
  ...more,
});
const open = (source: PageSource) => createPageReader(source, new SeenIds(1), scanStart);

test('two pages are on their way while one is judged, and no more', async () => {
  const scans = Array.from({ length: 6 }, (_, i) => [`${i}`]);
  const sent: string[] = [];
  const answers: (() => void)[] = [];
  const source = sourceOf(scans, {
    readTracked: (ids) => {
      sent.push(...ids.map(String));
      return new Promise((resolve) => answers.push(() => resolve({ jobs: ids.map(jobOf), left: [] })));
    },
  });
  const settle = async () => {
    for (let i = 0; i < 10; i++) await flush();
  };
  const reader = open(source);
  const first = reader.next();
  await settle();
  expect(sent).toEqual(['0']);
  answers[0]?.();
  expect(idsOf(await first)).toEqual(['0']);
  await settle();
  expect(sent).toEqual(['0', '1', '2']);
  answers[1]?.();
  expect(idsOf(await reader.next())).toEqual(['1']);
  await settle();
  expect(sent).toEqual(['0', '1', '2', '3']);
});

test('what is left of a page comes before the page that was read ahead', async () => {
  const pages = [['a', 'b', 'c'], ['d']];
  const reader = open(
    sourceOf(pages, { readTracked: async (ids) => ({ jobs: ids.slice(0, 1).map(jobOf), left: ids.slice(1) }) }),
  );
  const read: ReadPage[] = [];
  do read.push(await reader.next());
  while (read.at(-1)?.isLast === false);
  expect(read.map((page) => [...idsOf(page), page.from.cursor])).toEqual([
    ['a', '0'],
    ['b', '0'],
    ['c', '0'],
    ['d', '1'],
  ]);
});

test('a page that fails is read again, and so is the one behind it, whose error does not come again', async () => {
  let isDown = false;
  const source = sourceOf([['a'], ['b'], ['c'], ['d']], {
    readTracked: async (ids) => {
      if (isDown) throw new Error('down');
      return { jobs: ids.map(jobOf), left: [] };
    },
  });
  const reader = open(source);
  isDown = true;
  await expect(reader.next()).rejects.toThrow('down');
  isDown = false;
  expect(idsOf(await reader.next())).toEqual(['a']);
  isDown = true;
  for (let i = 0; i < 10; i++) await flush();
  await expect(reader.next()).rejects.toThrow('down');
  isDown = false;
  for (const id of ['b', 'c', 'd']) expect(idsOf(await reader.next())).toEqual([id]);
});

test('a scan that fails ahead is left to the next call, and no rejection is unhandled', async () => {
  const rejections: unknown[] = [];
  const record = (error: unknown) => void rejections.push(error);
  process.on('unhandledRejection', record);
  let isDown = false;
  const plain = sourceOf([['a'], ['b']]);
  const reader = open({
    ...plain,
    scan: async (...call) => {
      if (isDown) throw new Error('down');
      return plain.scan(...call);
    },
  });
  const first = reader.next();
  isDown = true;
  // The first scan has been sent.
  await first;
  for (let i = 0; i < 10; i++) await flush();
  process.off('unhandledRejection', record);
  isDown = false;
  expect(idsOf(await reader.next())).toEqual(['b']);
  expect(rejections).toEqual([]);
});

test('whatever fails, repeats or is cut short, each job comes once, and no page begins after a job that is still to come', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.nat(40).map(String), { maxLength: 8 }), { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(fc.nat(9)),
      async (scans, stream) => {
        const random = () => stream.next().value as number;
        const plain = sourceOf(scans);
        const source = sourceOf(scans, {
          scan: async (cursor) => {
            if (random() === 0) throw new Error('cut');
            return plain.scan(cursor);
          },
          readTracked: async (ids) => {
            for (let i = random(); i > 5; i--) await flush();
            if (random() === 0) throw new Error('cut');
            const count = Math.max(1, ids.length - (random() % 3));
            return { jobs: ids.slice(0, count).map(jobOf), left: ids.slice(count) };
          },
        });
        const firstIn = new Map<string, number>();
        for (const [at, ids] of scans.entries()) {
          for (const id of ids) if (!firstIn.has(id)) firstIn.set(id, at);
        }
        const reader = open(source);
        const read = new Set<string>();
        for (let isLast = false; !isLast; ) {
          const page = await reader.next().catch(() => undefined);
          if (page === undefined) continue;
          for (const [id, at] of firstIn)
            if (!read.has(id)) expect(at).toBeGreaterThanOrEqual(Number(page.from.cursor));
          for (const id of idsOf(page)) {
            expect(read.has(id)).toBe(false);
            read.add(id);
          }
          isLast = page.isLast;
        }
        expect(read).toEqual(new Set(firstIn.keys()));
      },
    ),
  );
});
