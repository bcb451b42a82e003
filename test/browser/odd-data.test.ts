/** The page with data that nobody would write on purpose, and with a hand that is too quick. */
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { ReaperOptions } from '../../src/index.ts';
import { explainJob, listedRows, openInspector, startBrowser } from '../support/browser.ts';
import { seedJob } from '../support/jobs.ts';
import { type Opened, trackOpened } from '../support/reapers.ts';
import { freePort, type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let browser: Browser;
let opened: Opened;
beforeAll(async () => {
  [server, browser] = await Promise.all([startRedis(), startBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await server.stop();
});
beforeEach(async () => {
  opened = trackOpened();
  await server.client.flushall();
});
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  await opened.close();
});

const start = async (
  inspect: Exclude<ReaperOptions['inspect'], boolean | undefined> = {},
  options: BrowserContextOptions = {},
) => {
  const reaper = opened.create({ redis: server.url, inspect: { port: 0, announce: () => undefined, ...inspect } });
  const url = (await reaper.inspectorUrl()) as string;
  const { page, complaints } = await openInspector(browser, url, options);
  return { reaper, page, complaints };
};

test.each(['9000000000000', '1700000000000000000', '-9000000000000', 'soon'])(
  'a time like %s is shown',
  async (time) => {
    await seedJob(server.client, 'odd', { update_time: time });
    await server.client.zadd('t:dead', 1e17, '{"name":"X","id":"odd"}');
    await server.client.zadd('t:retry', 'inf', '{"name":"X","id":"odd"}');
    const { page, complaints } = await start();
    await explainJob(page, 'odd');
    await page.getByText('in dead, second 100,000,000,000,000,000').waitFor();
    expect(complaints.errors).toEqual([]);
  },
);

test('an id that is cut within a pair of surrogates is shown', async () => {
  await seedJob(server.client, `${'x'.repeat(255)}😀 and more`, { age: 90_000 });
  const { reaper, page, complaints } = await start();
  await reaper.sweep({ plan: true });
  await page.getByText('1 of 1').waitFor();
  expect(complaints.errors).toEqual([]);
});

test('fault 125: an id with control characters and marks of direction shows what it holds', async () => {
  await seedJob(server.client, 'a\u202eb\u001b[2Jc\nd', { age: 90_000 });
  const { reaper, page, complaints } = await start();
  await reaper.sweep({ plan: true });
  await page.getByText('a\\u202eb\\u001b[2Jc\\u000ad').first().waitFor();
  expect(await page.locator('body').innerText()).not.toContain('\u202e');
  expect(complaints.errors).toEqual([]);
});

test('ids with signs of addresses, of other scripts and of no width lead to their jobs', async () => {
  const ids = ['a/b#c?d%e', '%E0%A4%A', ' first', 'last ', '..', '日本語', 'a\u0000b', '\u202eabc', '__proto__'];
  for (const id of ids) await seedJob(server.client, id, { age: 90_000 });
  const { reaper, page, complaints } = await start();
  await reaper.sweep({ plan: true });
  for (let i = 0; i < ids.length; i++) {
    await page.getByText(`${ids.length} of ${ids.length}`).waitFor();
    await listedRows(page).nth(i).getByRole('link').click();
    await page.getByText('tracked', { exact: true }).waitFor();
    await page.goBack();
  }
  expect(complaints.errors).toEqual([]);
});

test.each([40, 120, 250, 400])('who clicks Plan twice within %d ms does not sweep', async (delay) => {
  await seedJob(server.client, 'hung', { age: 90_000 });
  const { page } = await start({ control: true });
  await page.getByRole('button', { name: 'Sweep now…' }).click();
  const box = await page.getByRole('dialog').getByRole('button', { name: 'Plan' }).boundingBox();
  const { x, y, width, height } = box as NonNullable<typeof box>;
  await page.mouse.click(x + width / 2, y + height / 2);
  await page.waitForTimeout(delay); // The hand's pause is what this is about.
  await page.mouse.click(x + width / 2, y + height / 2);
  const dialog = page.getByRole('dialog');
  await dialog.getByText('A sweep would:').waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Plan again');
  expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Running');
  await dialog.getByRole('button', { name: 'Sweep now' }).click();
  await dialog.getByText('Done:').waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Close');
});

test('a walk that was seen live stays when one does not watch any more', async () => {
  await seedJob(server.client, 'hung', { age: 90_000 });
  const { reaper, page } = await start();
  await explainJob(page, 'hung');
  await page.getByRole('button', { name: 'Watch' }).click();
  await page.getByText('Its next walks are shown').waitFor();
  await reaper.sweep({ plan: true });
  const walk = page.getByText('Planned: fail, hung → planned');
  await walk.waitFor();
  await page.getByRole('button', { name: 'Watching' }).click();
  await page.getByText('Its next walks are shown').waitFor({ state: 'detached' });
  expect(await walk.count()).toBe(1);
});

test('that the token is another one is said once, not at every try', async () => {
  const port = await freePort();
  const { reaper, page } = await start({ port });
  await reaper.stop();
  await opened.create({ redis: server.url, inspect: { port, announce: () => undefined } }).inspectorUrl();
  await page.getByText('The reaper was started anew with another token').waitFor();
  await page.evaluate(() => {
    const banners = document.querySelector('.banners') as Element;
    const changes = new MutationObserver(() => {
      document.body.dataset.changed = banners.textContent ?? '';
    });
    changes.observe(banners, { childList: true, subtree: true, characterData: true });
  });
  for (let tries = 0; tries < 2; tries++) await page.waitForResponse((response) => response.status() === 401);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  expect(await page.evaluate(() => document.body.dataset.changed)).toBeUndefined();
});

test.each([360, 1_000, 1_400])('in a window %d px wide, what is focused is not under the header', async (width) => {
  for (let i = 0; i < 30; i++) await seedJob(server.client, `hung-${i}`, { age: 90_000 });
  const { reaper, page } = await start({ control: true }, { viewport: { width, height: 640 } });
  await reaper.sweep({ plan: true });
  await page.getByText('30 of 30').waitFor();
  await listedRows(page).nth(25).getByRole('link').focus();
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press('Shift+Tab');
    const isSeen = await page.evaluate(() => {
      const { x, y, width: w, height: h } = (document.activeElement as Element).getBoundingClientRect();
      return document.activeElement?.contains(document.elementFromPoint(x + w / 2, y + h / 2));
    });
    expect(isSeen).toBe(true);
  }
});

test('the title says which job is shown', async () => {
  await seedJob(server.client, 'hung');
  const { page } = await start();
  const title = await page.title();
  await explainJob(page, 'hung');
  expect(await page.title()).toBe(`Job hung · ${title}`);
  await page.getByRole('link', { name: '← All jobs' }).click();
  await vi.waitUntil(async () => (await page.title()) === title);
});
