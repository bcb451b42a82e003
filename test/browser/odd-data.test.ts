/** The page with unusual data, unusual ids and quick clicks. */
import { expect, test, vi } from 'vitest';
import { explainJob, listedRows } from '../support/browser.ts';
import { useInspectorPage } from '../support/inspectorPage.ts';
import { seedJob } from '../support/jobs.ts';
import { freePort } from '../support/redisServer.ts';

const { redis, create, start } = useInspectorPage();

test.each(['9000000000000', '1700000000000000000', '-9000000000000', 'soon'])(
  'a time like %s is shown',
  async (time) => {
    await seedJob(redis(), 'odd', { update_time: time });
    await redis().zadd('t:dead', 1e17, '{"name":"X","id":"odd"}');
    await redis().zadd('t:retry', 'inf', '{"name":"X","id":"odd"}');
    const { page, complaints } = await start();
    await explainJob(page, 'odd');
    await page.getByText('in dead, unix 100000000000000000').waitFor();
    expect(complaints.errors).toEqual([]);
  },
);

test('an id that is cut at a surrogate pair is shown', async () => {
  await seedJob(redis(), `${'x'.repeat(255)}😀 and more`, { age: 90_000 });
  const { reaper, page, complaints } = await start();
  await reaper.sweep({ plan: true });
  await page.getByText('1 of 1').waitFor();
  expect(complaints.errors).toEqual([]);
});

test('fault 125: control characters and bidirectional marks in an id are made visible', async () => {
  await seedJob(redis(), 'a\u202eb\u001b[2Jc\nd', { age: 90_000 });
  const { reaper, page, complaints } = await start();
  await reaper.sweep({ plan: true });
  await page.getByText('a\\u202eb\\u001b[2Jc\\u000ad').first().waitFor();
  expect(await page.locator('body').innerText()).not.toContain('\u202e');
  expect(complaints.errors).toEqual([]);
});

test('ids with URL characters, other scripts and invisible characters link to their jobs', async () => {
  const ids = ['a/b#c?d%e', '%E0%A4%A', ' first', 'last ', '..', '日本語', 'a\u0000b', '\u202eabc', '__proto__'];
  for (const id of ids) await seedJob(redis(), id, { age: 90_000 });
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

test.each([40, 120, 250, 400])('two clicks on Plan within %d ms do not start a sweep', async (delay) => {
  await seedJob(redis(), 'hung', { age: 90_000 });
  const { page } = await start({ control: true });
  await page.getByRole('button', { name: 'Sweep now…' }).click();
  const box = await page.getByRole('dialog').getByRole('button', { name: 'Plan' }).boundingBox();
  const { x, y, width, height } = box as NonNullable<typeof box>;
  await page.mouse.click(x + width / 2, y + height / 2);
  await page.waitForTimeout(delay); // The time between the two clicks.
  await page.mouse.click(x + width / 2, y + height / 2);
  const dialog = page.getByRole('dialog');
  await dialog.getByText('A sweep would:').waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Plan again');
  expect(await redis().hget('t:job_stats:hung', 'status')).toBe('Running');
  await dialog.getByRole('button', { name: 'Sweep now' }).click();
  await dialog.getByText('Done:').waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Close');
});

test('a trace that was received live stays visible after the end of watching', async () => {
  await seedJob(redis(), 'hung', { age: 90_000 });
  const { reaper, page } = await start();
  await explainJob(page, 'hung');
  await page.getByRole('button', { name: 'Watch' }).click();
  await page.getByText('New traces appear here').waitFor();
  await reaper.sweep({ plan: true });
  const trace = page.getByText('Planned: fail, hung → planned');
  await trace.waitFor();
  await page.getByRole('button', { name: 'Watching' }).click();
  await page.getByText('New traces appear here').waitFor({ state: 'detached' });
  expect(await trace.count()).toBe(1);
});

test('the message about another token is announced once, not with every attempt', async () => {
  const port = await freePort();
  const { reaper, page } = await start({ port });
  await reaper.stop();
  await create({ port });
  await page.getByText('The reaper was restarted with another token').waitFor();
  await page.evaluate(() => {
    const banners = document.querySelector('.banners') as Element;
    const changes = new MutationObserver(() => {
      document.body.dataset.changed = banners.textContent ?? '';
    });
    changes.observe(banners, { childList: true, subtree: true, characterData: true });
  });
  for (let attempt = 0; attempt < 2; attempt++) await page.waitForResponse((response) => response.status() === 401);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  expect(await page.evaluate(() => document.body.dataset.changed)).toBeUndefined();
});

test.each([360, 1_000, 1_400])(
  'in a window %d px wide, the focused element is not hidden by the header',
  async (width) => {
    for (let i = 0; i < 30; i++) await seedJob(redis(), `hung-${i}`, { age: 90_000 });
    const { reaper, page } = await start({ control: true }, { viewport: { width, height: 640 } });
    await reaper.sweep({ plan: true });
    await page.getByText('30 of 30').waitFor();
    await listedRows(page).nth(25).getByRole('link').focus();
    for (let i = 0; i < 20; i++) {
      await page.keyboard.press('Shift+Tab');
      const isVisible = await page.evaluate(() => {
        const { x, y, width: w, height: h } = (document.activeElement as Element).getBoundingClientRect();
        return document.activeElement?.contains(document.elementFromPoint(x + w / 2, y + h / 2));
      });
      expect(isVisible).toBe(true);
    }
  },
);

test('the title names the job', async () => {
  await seedJob(redis(), 'hung');
  const { page } = await start();
  const title = await page.title();
  await explainJob(page, 'hung');
  expect(await page.title()).toBe(`Job hung · ${title}`);
  await page.getByRole('link', { name: '← All jobs' }).click();
  await vi.waitUntil(async () => (await page.title()) === title);
});
