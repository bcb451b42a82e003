/** The page shows what each state is for. The test replaces the descriptions of the charts by its own. */
import type { Page } from 'playwright-core';
import { expect, test, vi } from 'vitest';
import { charts } from '../../src/charts.ts';
import { nodesOf } from '../../visualize/charts/graph.ts';
import type { ServerMessage } from '../../visualize/protocol.ts';
import { explainJob } from '../support/browser.ts';
import { useInspectorPage } from '../support/inspectorPage.ts';
import { seedJob } from '../support/jobs.ts';

const { redis, create, open } = useInspectorPage();

/** Opens the page of a reaper whose chart states have these descriptions, by their ids. */
const start = async (descriptionOf: (state: string) => string) => {
  const { reaper, url } = await create();
  const replaceDescriptions = (page: Page) =>
    page.routeWebSocket(/\/socket$/, (socket) => {
      socket.connectToServer().onMessage((text) => {
        const message: ServerMessage = JSON.parse(String(text));
        if (message.type !== 'snapshot') return socket.send(text);
        const indices = Object.entries(message.about.charts).map(([name, index]) => [
          name,
          { ...index, descriptions: index.states.map(descriptionOf) },
        ]);
        const about = { ...message.about, charts: Object.fromEntries(indices) };
        return socket.send(JSON.stringify({ ...message, about }));
      });
    });
  const { page } = await open(url, {}, replaceDescriptions);
  return { reaper, page };
};

test('the table of a chart lists each state with its description', async () => {
  const { page } = await start((state) => (state === 'job.acting.fail' ? '' : `Purpose of ${state}.`));
  await page.getByText('Show as a table').click();
  const table = page.locator('.as-table table', { hasText: 'description' });
  await table.waitFor();
  const rows = await table
    .locator('tbody tr')
    .evaluateAll((found) => found.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent)));
  expect(rows).toEqual(
    nodesOf(charts.job).map(({ id }) => [
      id.split('.').slice(1).join('.') || id,
      id === 'job.acting.fail' ? '' : `Purpose of ${id}.`,
    ]),
  );
});

test('the table of a chart without descriptions has no column for them', async () => {
  const { page } = await start(() => '');
  await page.getByText('Show as a table').click();
  await page.locator('.as-table table').first().waitFor();
  expect(await page.locator('.as-table table').count()).toBe(1);
});

test('each step of a trace shows the description of its state', async () => {
  await seedJob(redis(), 'hung', { age: 90_000 });
  const { reaper, page } = await start((state) => (state === 'job.acting.fail' ? '' : `Purpose of ${state}.`));
  await reaper.sweep({ plan: true });
  await explainJob(page, 'hung');
  const shown = page.locator('.trace > .hint');
  const here = page.locator('.trace [aria-current="step"]');
  await page.getByRole('button', { name: 'tracking' }).click();
  await vi.waitUntil(async () => (await here.textContent()) === 'tracking');
  expect(await shown.textContent()).toBe('Purpose of job.tracking.');
  await page.getByRole('button', { name: 'Step forward' }).click();
  await vi.waitUntil(async () => (await here.textContent()) === 'compare');
  expect(await shown.textContent()).toBe('Purpose of job.compare.');
});

test('a step whose state has no description shows none', async () => {
  await seedJob(redis(), 'hung', { age: 90_000 });
  const { reaper, page } = await start((state) => (state === 'job.compare' ? '' : `Purpose of ${state}.`));
  await reaper.sweep({ plan: true });
  await explainJob(page, 'hung');
  await page.getByRole('button', { name: 'compare' }).click();
  await vi.waitUntil(async () => (await page.locator('.trace [aria-current="step"]').textContent()) === 'compare');
  expect(await page.locator('.trace > .hint').count()).toBe(0);
});
