/** The page of the inspector in a real browser, with a real reaper and a real Redis. */

import { expect, test, vi } from 'vitest';
import { key, namespace, seed } from '../../bench/support.ts';
import type { SweepSummary } from '../../src/index.ts';
import { explainJob, listedRows } from '../support/browser.ts';
import { seedVerdicts, useInspectorPage, verdictCount } from '../support/inspectorPage.ts';
import { seedJob } from '../support/jobs.ts';

const { redis, create, open, start } = useInspectorPage();

test('the token disappears from the address when the page opens', async () => {
  const { page, url } = await start();
  expect(page.url()).toBe(`${new URL(url).origin}/`);
  await page.reload();
  await page.getByText('live', { exact: true }).waitFor();
});

test("the counts on the page equal those of the sweep's summary", async () => {
  await seedVerdicts(redis());
  const { reaper, page } = await start();
  await page.getByText('No sweep yet.').waitFor();
  const summary = await reaper.sweep();
  await page.locator('[data-testid="scanned"]', { hasText: String(summary.scanned) }).waitFor();
  const shown: Record<string, number> = {};
  for (const verdict of ['keep', 'untrack', 'reset', 'fail', 'refire'])
    shown[verdict] = await verdictCount(page, verdict);
  expect(shown).toEqual({ refire: 0, ...summary.verdicts });
  await page.getByText('4 of 4').waitFor();
  expect(await listedRows(page).count()).toBe(4);
});

test('acts can be filtered by verdict, type and id', async () => {
  await seedVerdicts(redis());
  const { reaper, page } = await start();
  await reaper.sweep();
  await page.getByText('4 of 4').waitFor();
  await page.getByLabel('Verdict').selectOption('untrack');
  await page.getByText('2 of 4').waitFor();
  await page.getByLabel('Id', { exact: true }).fill('los');
  await page.getByText('1 of 4').waitFor();
  expect(await listedRows(page).innerText()).toContain('lost');
  await page.getByLabel('Id', { exact: true }).fill('');
  await page.getByLabel('Verdict').selectOption('');
  await page.getByLabel('Type').fill('other');
  await page.getByText('1 of 4').waitFor();
  expect(await listedRows(page).innerText()).toContain('behind');
  await page.getByLabel('Type').fill('nothing like it');
  await page.getByText('No row matches the filter.').waitFor();
});

test('the trace of a watched job is shown live, step by step, and matches Redis', async () => {
  await seedVerdicts(redis());
  const { reaper, page } = await start();
  await explainJob(page, 'hung');
  await page.getByText('A sweep would do: set it to Error').waitFor();
  await page.getByText('No trace of this job is recorded.').waitFor();
  await page.getByRole('button', { name: 'Watch' }).click();
  await page.getByRole('button', { name: 'Watching' }).waitFor();
  await page.getByText('New traces appear here').waitFor();
  await reaper.sweep();
  const steps = page.getByRole('list', { name: 'Steps' }).getByRole('button');
  await vi.waitUntil(async () => (await steps.count()) === 4);
  expect(await steps.allInnerTexts()).toEqual(['tracking', 'compare', 'acting.fail', 'done']);
  await page.getByText('Ended: fail, hung → done').waitFor();
  expect(await redis().hget('t:job_stats:hung', 'status')).toBe('Error');

  // The overview marks the state around it too.
  const here = page.locator('.trace .state.here:not(.collapsed)');
  await vi.waitUntil(async () => (await here.getAttribute('data-state')) === 'job.done');
  await steps.last().focus();
  await page.keyboard.press('ArrowLeft');
  await vi.waitUntil(async () => (await here.getAttribute('data-state')) === 'job.acting.fail');
  await page.getByText('from compare by [isVerdict fail]').waitFor();
  const passed = await page
    .locator('.trace .edge.passed')
    .evaluateAll((edges) => edges.map((edge) => edge.getAttribute('data-edge')));
  // The second one leads into a collapsed state: the overview and the chart of that state show it.
  expect([passed.length, new Set(passed).size]).toEqual([3, 2]);
  await page.getByRole('button', { name: 'Step back' }).click();
  await page.getByRole('button', { name: 'Step forward' }).click();
  await vi.waitUntil(async () => (await here.getAttribute('data-state')) === 'job.acting.fail');
  await page.locator('.trace .rules .decides', { hasText: 'fail: hung' }).waitFor();
});

test('tracked and untracked jobs are explained, with the places of their entries', async () => {
  await seedJob(redis(), 'queued', { status: 'Pending', age: 5 });
  await redis().lpush('t:jobs:X', '{"name":"X","id":"queued","t":1}');
  await redis().sadd('t:known_jobs', 'X');
  const { page } = await start();
  await explainJob(page, 'queued');
  await page.getByText('in the queue of X, 0 before it').waitFor();
  await explainJob(page, 'unknown/id %with?#');
  await page.getByText('The job is not tracked, so no sweep judges it.').waitFor();
  await page.goBack();
  await page.getByText('in the queue of X, 0 before it').waitFor();
});

test('a page counts all jobs of a sweep of 30,000, and stays responsive meanwhile', async () => {
  const jobs = 30_000;
  await seed(redis(), jobs, { actingOneIn: 20 });
  const { reaper, url } = await create({}, { namespace, sweep: { maxRedisShare: 1 } });
  const { page, complaints } = await open(url);
  let clicks = 0;
  let answers = 0;
  /** Clicks during a sweep, and counts those that the page has answered before its end. */
  const clickDuring = async (sweep: Promise<SweepSummary>) => {
    let isOver = false;
    const over = sweep.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await page.getByRole('tab', { name: clicks++ % 2 === 0 ? 'pool' : 'job', exact: true }).click();
      if (!isOver) answers += 1;
    }
    return over;
  };
  const summary = await clickDuring(reaper.sweep());
  await page.locator('[data-testid="scanned"]', { hasText: '30,000' }).waitFor();
  expect({ keep: await verdictCount(page, 'keep'), fail: await verdictCount(page, 'fail') }).toEqual({
    keep: summary.verdicts.keep,
    fail: summary.verdicts.fail,
  });
  await page.getByText('1,000 of 1,000').waitFor();
  expect(await listedRows(page).count()).toBe(100);
  expect(await redis().hlen(key('job_track', 'inprogress'))).toBeLessThan(jobs);
  // On a slow machine one sweep has time for a few answers only.
  while (answers < 6) await clickDuring(reaper.sweep({ plan: true }));
  expect(complaints).toEqual({ errors: [], foreign: [] });
});
