/** The connection of the page to the server, and the passes that the page can start. */

import { describe, expect, test, vi } from 'vitest';
import { explainJob } from '../support/browser.ts';
import { seedVerdicts, useInspectorPage } from '../support/inspectorPage.ts';
import { freePort } from '../support/redisServer.ts';

const { redis, create, open, start } = useInspectorPage();

describe('the connection to the server', () => {
  test('is restored after a restart of the server, with the new data and the watched job', async () => {
    const port = await freePort();
    const token = 'a token of this test';
    const first = await create({ port, token });
    const { page } = await open(first.url);
    await seedVerdicts(redis());
    await explainJob(page, 'hung');
    await page.getByRole('button', { name: 'Watch' }).click();
    await first.reaper.stop();
    await page.getByText('The connection to the reaper is lost').waitFor();
    await page.getByText('no connection', { exact: true }).waitFor();
    const { reaper } = await create({ port, token });
    await page.getByText('Reconnected.').waitFor();
    // The job is still watched.
    await reaper.sweep({ plan: true });
    await page.getByText('Planned: fail, hung → planned').waitFor();
    await page.getByRole('link', { name: '← All jobs' }).click();
    await page.locator('[data-testid="scanned"]', { hasText: '9' }).waitFor();
  });

  test('cannot be restored with another token, and the page says so', async () => {
    const port = await freePort();
    const first = await create({ port });
    const { page } = await open(first.url);
    await first.reaper.stop();
    await create({ port });
    await page.getByText('The reaper was restarted with another token').waitFor();
  });
});

describe('control', () => {
  test('is off by default', async () => {
    const { page } = await start();
    await page.getByText('read-only').waitFor();
    expect(await page.getByRole('button', { name: /now…/ }).count()).toBe(0);
  });

  test('makes a plan first, shows it, and then runs the sweep', async () => {
    await seedVerdicts(redis());
    const { page } = await start({ control: true });
    await page.getByRole('button', { name: 'Sweep now…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('changes nothing').waitFor();
    await dialog.getByRole('button', { name: 'Plan' }).click();
    await dialog.getByText('9 jobs judged, 5 need nothing. A sweep would:').waitFor();
    expect((await dialog.locator('.counts').innerText()).split('\n').sort()).toEqual([
      '1 fail',
      '1 reset',
      '2 untrack',
    ]);
    expect(await redis().hget('t:job_stats:hung', 'status')).toBe('Running');
    await dialog.getByRole('button', { name: 'Sweep now' }).click();
    await dialog.getByText('Done:').waitFor();
    expect(await redis().hget('t:job_stats:hung', 'status')).toBe('Error');
    await dialog.getByRole('button', { name: 'Close' }).click();
    expect(await dialog.count()).toBe(0);
  });

  test('changes nothing if the dialog is cancelled', async () => {
    await seedVerdicts(redis());
    const { page } = await start({ control: true });
    await page.getByRole('button', { name: 'Sweep now…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Plan' }).click();
    await page.getByRole('dialog').getByText('A sweep would:').waitFor();
    await page.keyboard.press('Escape');
    await vi.waitUntil(async () => (await page.getByRole('dialog').count()) === 0);
    expect(await redis().hget('t:job_stats:hung', 'status')).toBe('Running');
  });

  test('runs a rescue, and names the changes', async () => {
    await redis().lpush('t:jobs:X:dead:inprogress', '{"name":"X","id":"a"}');
    const { reaper, url } = await create({ control: true }, { rescue: { graceMs: 100 } });
    const { page } = await open(url);
    await page.getByRole('button', { name: 'Rescue now…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Plan' }).click();
    await dialog.getByText('A rescue would requeue 1 entries').waitFor();
    await dialog.getByText('1 requeue X: 1 from pool dead').waitFor();
    expect(await redis().llen('t:jobs:X')).toBe(0);
    await dialog.getByRole('button', { name: 'Rescue now' }).click();
    await dialog.getByText('1 entries requeued').waitFor();
    expect(await redis().llen('t:jobs:X')).toBe(1);
    await reaper.stop();
  });
});
