/**
 * The cost of the inspector: a sweep of 100,000 jobs without it, with it, and with a page open in Chromium; the latency of the
 * page during a sweep; the growth of the page's and the server's heap over ten sweeps.
 */
import { readdir, readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { createReaper, type Reaper } from '../src/index.ts';
import { packageRoot } from '../src/package.ts';
import { startBrowser } from '../test/support/browser.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { median, namespace, type Report, seed } from './support.ts';

const jobs = 100_000;
const rounds = 7;

export const benchInspector = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  await seed(client, jobs);
  const browser = await startBrowser();
  try {
    await measureCost(url, browser, report);
    await measureHeaps(url, browser, report);
  } finally {
    await browser.close();
  }
  const folder = `${packageRoot}dist/page/`;
  const files = await Promise.all((await readdir(folder)).map((file) => readFile(`${folder}${file}`)));
  const charts = ['supervisor', 'lane', 'job', 'pool'].map((name) => readFile(`${packageRoot}docs/charts/${name}.svg`));
  const kB = [...files, ...(await Promise.all(charts))].reduce((sum, file) => sum + file.length, 0) / 1_000;
  report('inspector: page size with all charts', `${kB.toFixed(0)} kB`, '< 300 kB', kB < 300);
};

const withReaper = async <T>(
  url: string,
  isInspected: boolean,
  act: (reaper: Reaper, page: string) => Promise<T>,
): Promise<T> => {
  const reaper = createReaper({
    redis: url,
    namespace,
    logger: false,
    ...(isInspected ? { inspect: { port: 0, announce: () => undefined } } : {}),
  });
  await reaper.ping();
  try {
    return await act(reaper, (await reaper.inspectorUrl()) ?? '');
  } finally {
    await reaper.stop();
  }
};
const open = async (browser: Browser, url: string): Promise<Page> => {
  const page = await browser.newPage();
  await page.goto(url);
  await page.locator('[data-chart="job"] svg').first().waitFor();
  return page;
};
const settled = (page: Page) => page.locator('[data-testid="scanned"]', { hasText: '100,000' }).waitFor();

const measureCost = async (url: string, browser: Browser, report: Report): Promise<void> => {
  const without: number[] = [];
  const alone: number[] = [];
  const watched: number[] = [];
  const answers: number[] = [];
  const paints: number[] = [];
  for (let round = 0; round < rounds; round++) {
    without.push(await withReaper(url, false, async (reaper) => (await reaper.sweep()).durationMs));
    alone.push(await withReaper(url, true, async (reaper) => (await reaper.sweep()).durationMs));
    watched.push(
      await withReaper(url, true, async (reaper, where) => {
        const page = await open(browser, where);
        paints.push(await page.evaluate(firstPaint));
        const { durationMs } = await reaper.sweep();
        await settled(page);
        await page.close();
        return durationMs;
      }),
    );
  }
  // Clicks cost time too, so they are measured in another sweep.
  await withReaper(url, true, async (reaper, where) => {
    const page = await open(browser, where);
    let isOver = false;
    const sweep = reaper.sweep().finally(() => {
      isOver = true;
    });
    while (!isOver) answers.push(await page.evaluate(clickTab));
    await sweep;
    await page.close();
  });
  const cost = (times: readonly number[]) => median(times) / median(without) - 1;
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  report(
    'sweep overhead, inspector on, no page open',
    `${percent(cost(alone))} (${median(without)} → ${median(alone)} ms)`,
  );
  report(
    'sweep overhead, inspector on, one page open',
    `${percent(cost(watched))} (${median(watched)} ms)`,
    '≤ 15 %',
    cost(watched) <= 0.15,
  );
  const sorted = answers.sort((a, b) => a - b);
  const late = sorted[Math.floor(sorted.length * 0.95)] as number;
  report(
    'inspector: click latency during a sweep',
    `median ${median(sorted).toFixed(0)} ms, 95 % within ${late.toFixed(0)} ms (${sorted.length} clicks)`,
    '≤ 100 ms',
    late <= 100,
  );
  report('inspector: first paint', `${median(paints).toFixed(0)} ms`, '< 1 s', median(paints) < 1_000);
};

/** Runs in the page: the time from a click to the frame that shows its effect, in ms. */
const clickTab = `new Promise((resolve) => {
  const began = performance.now();
  document.querySelector('[role=tab][aria-selected=false]').click();
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - began)));
})` as unknown as () => Promise<number>;

const firstPaint = `performance.getEntriesByName('first-contentful-paint')[0].startTime` as unknown as () => number;

const measureHeaps = (url: string, browser: Browser, report: Report): Promise<void> =>
  withReaper(url, true, async (reaper, where) => {
    const page = await open(browser, where);
    const devtools = await page.context().newCDPSession(page);
    const heaps = async () => {
      await settled(page);
      await devtools.send('HeapProfiler.collectGarbage');
      const { usedSize } = await devtools.send('Runtime.getHeapUsage');
      globalThis.gc?.();
      globalThis.gc?.();
      return { page: usedSize / 2 ** 20, server: process.memoryUsage().heapUsed / 2 ** 20 };
    };
    for (let i = 0; i < 2; i++) await reaper.sweep();
    const first = await heaps();
    for (let i = 0; i < 10; i++) await reaper.sweep();
    const last = await heaps();
    await page.close();
    const text = (name: 'page' | 'server') => `${first[name].toFixed(1)} → ${last[name].toFixed(1)} MB`;
    report(
      'inspector: heap growth over ten sweeps',
      `page ${text('page')}, server ${text('server')}`,
      '≤ 2 MB each',
      last.page - first.page <= 2 && last.server - first.server <= 2,
    );
  });
