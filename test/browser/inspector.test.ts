/** The inspector as a person sees it: a real reaper on a real Redis, its page in a real browser. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { key, namespace, seed } from '../../bench/support.ts';
import { charts } from '../../src/charts.ts';
import { visible } from '../../src/cli/visible.ts';
import type { ReaperOptions } from '../../src/index.ts';
import { nodesOf, transitionsOf } from '../../visualize/charts/graph.ts';
import { explainJob, listedRows, openInspector, startBrowser } from '../support/browser.ts';
import { ackText, second, seedJob } from '../support/jobs.ts';
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

type Inspect = Exclude<ReaperOptions['inspect'], boolean | undefined>;
const create = async (inspect: Inspect = {}, options: Partial<ReaperOptions> = {}) => {
  const reaper = opened.create({
    redis: server.url,
    inspect: { port: 0, announce: () => undefined, ...inspect },
    ...options,
  });
  return { reaper, url: (await reaper.inspectorUrl()) as string };
};
const open = (url: string, options?: BrowserContextOptions) => openInspector(browser, url, options);
const start = async (inspect: Inspect = {}, options: BrowserContextOptions = {}) => {
  const { reaper, url } = await create(inspect);
  return { reaper, url, ...(await open(url, options)) };
};

/** One job for every verdict, five that are healthy. */
const seedAll = async () => {
  const { client } = server;
  const revision = second(-600);
  for (let i = 0; i < 5; i++) await seedJob(client, `healthy-${i}`, { revision, ack: ackText('Running', revision) });
  await seedJob(client, 'hung', { age: 90_000 });
  await seedJob(client, 'behind', { ack: ackText('Success', second()), name: 'OTHER' });
  await seedJob(client, 'settled', { status: 'Success', revision: 1, ack: ackText('Success', 1) });
  await client.hset('t:job_track:inprogress', 'lost', 1);
};
const verdictCount = async (page: Page, verdict: string) =>
  Number((await page.locator(`[data-verdict="${verdict}"]`).innerText()).replaceAll(',', ''));

describe('the charts', () => {
  test('every machine is drawn, with every state and every transition, and no two texts overlap', async () => {
    const { page, complaints } = await start();
    for (const [name, machine] of Object.entries(charts)) {
      await page.getByRole('tab', { name, exact: true }).click();
      const svg = page.locator(`[data-chart="${name}"] svg`);
      await svg.waitFor();
      expect(await svg.locator('[data-state]').count()).toBe(nodesOf(machine).length);
      expect(await svg.locator('[data-edge]').count()).toBe(transitionsOf(machine).length);
      // At full size: 12 px of the chart are 12 px of the screen.
      const { scale, width, smallest } = await svg.evaluate((root: SVGSVGElement) => ({
        scale: root.getBoundingClientRect().width / root.viewBox.baseVal.width,
        width: root.getBoundingClientRect().width,
        smallest: Math.min(
          ...[...root.querySelectorAll('text')].map((text) => parseFloat(getComputedStyle(text).fontSize)),
        ),
      }));
      expect(scale).toBe(1);
      expect(width).toBeLessThanOrEqual(1_000);
      expect(smallest).toBeGreaterThanOrEqual(12);
      // As the browser has set them, not as the layout meant them to be.
      const overlapping = await svg.evaluate((root) => {
        const texts = [...root.querySelectorAll('text')].filter((text) => text.textContent !== '');
        const boxes = texts.map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
        return boxes.flatMap((a, i) =>
          boxes
            .slice(i + 1)
            .filter(
              (b) =>
                Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left) > 0.5 &&
                // The boxes of two lines of one label touch.
                Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top) > a.box.height / 3,
            )
            .map((b) => `${a.text} / ${b.text}`),
        );
      });
      expect(overlapping).toEqual([]);
    }
    expect(complaints).toEqual({ errors: [], foreign: [] });
  });

  test('show who is where now, how many were, and the transition that was taken last', async () => {
    await seedAll();
    const { reaper, page } = await start();
    await reaper.sweep();
    const state = (id: string) => page.locator(`[data-chart="job"] [data-state="${id}"]`);
    await vi.waitUntil(async () => (await state('job.compare').locator('.count').textContent()) === '9');
    expect(await state('job.kept').locator('.count').textContent()).toBe('5');
    expect(await state('job.refire').locator('.count').textContent()).toBe('');
    const heat = (id: string) => state(id).evaluate((element) => Number(element.style.getPropertyValue('--heat')));
    expect(await heat('job.compare')).toBe(1);
    expect(await heat('job.fail')).toBeGreaterThan(0);
    expect(await heat('job.fail')).toBeLessThan(await heat('job.kept'));
    expect(await heat('job.refire')).toBe(0);
    expect(await page.locator('[data-chart="job"] .edge.last').count()).toBe(1);
    await page.getByRole('tab', { name: 'lane', exact: true }).click();
    await page.locator('[data-chart="lane"] [data-state="lane.idle"].active').waitFor();
  });

  test('can be read as a table', async () => {
    await seedAll();
    const { reaper, page } = await start();
    await reaper.sweep();
    await page.getByText('The same as a table').click();
    const row = page.locator('.as-table tr', { hasText: '[isVerdict kept]' });
    await vi.waitUntil(async () => (await row.innerText()).split(/\s+/).includes('5'));
  });
});

test('the token is gone from the address once the page is there', async () => {
  const { page, url } = await start();
  expect(page.url()).toBe(`${new URL(url).origin}/`);
  await page.reload();
  await page.getByText('live', { exact: true }).waitFor();
});

test("the page's counts are those of the summary", async () => {
  await seedAll();
  const { reaper, page } = await start();
  await page.getByText('No sweep yet.').waitFor();
  const summary = await reaper.sweep();
  await page.locator('[data-testid="scanned"]', { hasText: String(summary.scanned) }).waitFor();
  const shown: Record<string, number> = {};
  for (const verdict of ['kept', 'untrack', 'reset', 'fail', 'refire'])
    shown[verdict] = await verdictCount(page, verdict);
  expect(shown).toEqual({ refire: 0, ...summary.verdicts });
  await page.getByText('4 of 4').waitFor();
  expect(await listedRows(page).count()).toBe(4);
});

test('acts can be filtered by verdict, type and id', async () => {
  await seedAll();
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
  await page.getByText('None of these. Change the filter.').waitFor();
});

test("a watched job's walk is seen live, step by step, and is what Redis shows", async () => {
  await seedAll();
  const { reaper, page } = await start();
  await explainJob(page, 'hung');
  await page.getByText('A sweep would do: set it to Error').waitFor();
  await page.getByText('No walk of this job is known.').waitFor();
  await page.getByRole('button', { name: 'Watch' }).click();
  await page.getByRole('button', { name: 'Watching' }).waitFor();
  await page.getByText('Its next walks are shown').waitFor();
  await reaper.sweep();
  const steps = page.getByRole('list', { name: 'Steps' }).getByRole('button');
  await vi.waitUntil(async () => (await steps.count()) === 4);
  expect(await steps.allInnerTexts()).toEqual(['tracking', 'compare', 'fail', 'settled']);
  await page.getByText('Ended: fail, hung → done').waitFor();
  expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Error');

  const here = page.locator('.walk .state.here');
  await vi.waitUntil(async () => (await here.getAttribute('data-state')) === 'job.settled');
  await steps.last().focus();
  await page.keyboard.press('ArrowLeft');
  await vi.waitUntil(async () => (await here.getAttribute('data-state')) === 'job.fail');
  await page.getByText('from compare by [isVerdict fail]').waitFor();
  expect(await page.locator('.walk .edge.walked').count()).toBe(2);
  await page.getByRole('button', { name: 'Step back' }).click();
  await page.getByRole('button', { name: 'Step forward' }).click();
  await vi.waitUntil(async () => (await here.getAttribute('data-state')) === 'job.fail');
  await page.locator('.walk .rules .decides', { hasText: 'fail: hung' }).waitFor();
});

test('any job is explained, tracked or not, and where it is', async () => {
  await seedJob(server.client, 'queued', { status: 'Pending', age: 5 });
  await server.client.lpush('t:jobs:X', '{"name":"X","id":"queued","t":1}');
  await server.client.sadd('t:known_jobs', 'X');
  const { page } = await start();
  await explainJob(page, 'queued');
  await page.getByText('queued in X, 0 before it').waitFor();
  await explainJob(page, 'nobody/has %it?#');
  await page.getByText('It is not tracked, so no sweep comes to it.').waitFor();
  await page.goBack();
  await page.getByText('queued in X, 0 before it').waitFor();
});

describe('hostile text from Redis', () => {
  test.each(['<img src=x onerror=alert(1)>', '"><script>alert(1)</script>', "javascript:alert('1')", '‮evil{{7*7}}'])(
    'the id %s stays text',
    async (id) => {
      await seedJob(server.client, id, { age: 90_000, name: id, status: 'Running' });
      await server.client.sadd('t:worker_pools', id);
      const { reaper, page, complaints } = await start();
      const dialogs: string[] = [];
      page.on('dialog', (dialog) => {
        dialogs.push(dialog.message());
        void dialog.dismiss();
      });
      await reaper.sweep({ plan: true });
      const shown = visible(id);
      await listedRows(page).filter({ hasText: shown }).first().waitFor();
      await listedRows(page).getByRole('link').click();
      await page.getByRole('heading', { name: `Job ${shown}` }).waitFor();
      await page.getByRole('heading', { name: 'Verdict now' }).waitFor();
      await reaper.rescue({ plan: true, grace: 0 });
      await page.goto(`${new URL(page.url()).origin}/#/`);
      await page.getByRole('tab', { name: /Pools/ }).click();
      await listedRows(page).filter({ hasText: shown }).first().waitFor();
      expect(await page.locator('img:not([src="icon.svg"]), main script').count()).toBe(0);
      expect(dialogs).toEqual([]);
      expect(complaints).toEqual({ errors: [], foreign: [] });
    },
  );
});

describe('another site in the same browser', () => {
  let site: Server;
  afterEach(() => {
    site.closeAllConnections();
    site.close();
  });

  test('gets neither the page nor the socket, though the browser has the cookie', async () => {
    const { url } = await start();
    const { page } = await open(url);
    site = createServer((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<p>evil'),
    ).listen(0, '127.0.0.1');
    await once(site, 'listening');
    // On the same address, for which cookies know no port.
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
    const { host, origin } = new URL(url);
    const outcome = await page.evaluate(
      ([host, origin]) =>
        Promise.all([
          new Promise((resolve) => {
            const socket = new WebSocket(`ws://${host}/socket`);
            socket.onopen = () => resolve('open');
            socket.onclose = () => resolve('refused');
          }),
          // As a script or picture is asked for: without an Origin, and with no need of CORS.
          fetch(`${origin}/app.js`, { mode: 'no-cors', credentials: 'include' }).then(
            () => 'served',
            () => 'refused',
          ),
          new Promise((resolve) => {
            const frame = document.createElement('iframe');
            frame.src = `${origin}/`;
            frame.onload = () => resolve('loaded');
            document.body.append(frame);
          }),
        ]),
      [host, origin] as const,
    );
    expect(outcome).toEqual(['refused', 'refused', 'loaded']);
    // What it has loaded is the browser's own word that it must not be framed.
    expect(page.frames().at(-1)?.url()).toMatch(/^chrome-error:/);
  });

  test('a wrong token shows nothing but what to do', async () => {
    const { url } = await create();
    site = createServer();
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${new URL(url).origin}/?token=wrong`);
    expect((await page.locator('body').innerText()).trim()).toBe(
      'Open the URL that the reaper wrote when it started: its token is needed once.',
    );
  });
});

describe('the line to the server', () => {
  test('a server that is started anew is found again, and shows its own', async () => {
    const port = await freePort();
    const token = 'a token of this test';
    const first = await create({ port, token });
    const { page } = await open(first.url);
    await seedAll();
    await explainJob(page, 'hung');
    await page.getByRole('button', { name: 'Watch' }).click();
    await first.reaper.stop();
    await page.getByText('The connection to the reaper is lost').waitFor();
    await page.getByText('no connection', { exact: true }).waitFor();
    const { reaper } = await create({ port, token });
    await page.getByText('Connected again.').waitFor();
    // It is still watched.
    await reaper.sweep({ plan: true });
    await page.getByText('Planned: fail, hung → planned').waitFor();
    await page.getByRole('link', { name: '← All jobs' }).click();
    await page.locator('[data-testid="scanned"]', { hasText: '9' }).waitFor();
  });

  test('a server with another token is said, for then trying again is no use', async () => {
    const port = await freePort();
    const first = await create({ port });
    const { page } = await open(first.url);
    await first.reaper.stop();
    await create({ port });
    await page.getByText('The reaper was started anew with another token').waitFor();
  });
});

describe('control', () => {
  test('there is none unless it was given', async () => {
    const { page } = await start();
    await page.getByText('only looks').waitFor();
    expect(await page.getByRole('button', { name: /now…/ }).count()).toBe(0);
  });

  test('asks first, shows what it would do, and then does just that', async () => {
    await seedAll();
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
    expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Running');
    await dialog.getByRole('button', { name: 'Sweep now' }).click();
    await dialog.getByText('Done:').waitFor();
    expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Error');
    await dialog.getByRole('button', { name: 'Close' }).click();
    expect(await dialog.count()).toBe(0);
  });

  test('who cancels changes nothing', async () => {
    await seedAll();
    const { page } = await start({ control: true });
    await page.getByRole('button', { name: 'Sweep now…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Plan' }).click();
    await page.getByRole('dialog').getByText('A sweep would:').waitFor();
    await page.keyboard.press('Escape');
    await vi.waitUntil(async () => (await page.getByRole('dialog').count()) === 0);
    expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Running');
  });

  test('rescues too', async () => {
    await server.client.lpush('t:jobs:X:dead:inprogress', '{"name":"X","id":"a"}');
    const { reaper, url } = await create({ control: true }, { rescue: { grace: 100 } });
    const { page } = await open(url);
    await page.getByRole('button', { name: 'Rescue now…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Plan' }).click();
    await dialog.getByText('A rescue would put back 1 entries').waitFor();
    expect(await server.client.llen('t:jobs:X')).toBe(0);
    await dialog.getByRole('button', { name: 'Rescue now' }).click();
    await dialog.getByText('1 entries put back').waitFor();
    expect(await server.client.llen('t:jobs:X')).toBe(1);
    await reaper.stop();
  });
});

describe('for everybody', () => {
  const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  const faultsOf = async (page: Page) => {
    // Not as a script element: the page's policy would refuse it.
    await page.evaluate(await (await import('node:fs/promises')).readFile(axe, 'utf8'));
    return page.evaluate(async () => {
      // biome-ignore lint/suspicious/noExplicitAny: axe puts itself there
      const { violations } = await (globalThis as any).axe.run(document);
      return violations.map(({ id, nodes }: { id: string; nodes: { html: string }[] }) => `${id}: ${nodes[0]?.html}`);
    });
  };

  test.each(['light', 'dark'] as const)('no fault that axe can find, in %s colours', async (colorScheme) => {
    await seedAll();
    const { reaper, page } = await start({ control: true }, { colorScheme, reducedMotion: 'reduce' });
    await reaper.sweep({ plan: true });
    await page.getByText('4 of 4').waitFor();
    await page.locator('[data-chart="job"] svg').waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await page.getByRole('button', { name: 'Sweep now…' }).click();
    expect(await faultsOf(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await explainJob(page, 'hung');
    await page.locator('.walk svg').waitFor();
    expect(await faultsOf(page)).toEqual([]);
  });

  test.each([360, 768, 2_560])('nothing runs out of a window %d px wide', async (width) => {
    await seedAll();
    const { reaper, page } = await start({ control: true }, { viewport: { width, height: 800 } });
    await reaper.sweep();
    await page.getByText('4 of 4').waitFor();
    const overflow = () =>
      page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(await overflow()).toBe(0);
    await explainJob(page, 'hung');
    expect(await overflow()).toBe(0);
  });

  test('tabs are gone through by arrow keys, and the chosen colours stay', async () => {
    const { page } = await start();
    await page.getByRole('tab', { name: 'job', exact: true }).focus();
    await page.keyboard.press('ArrowRight');
    expect(await page.getByRole('tab', { name: 'supervisor' }).getAttribute('aria-selected')).toBe('true');
    await page.locator('[data-chart="supervisor"] svg').waitFor();
    await page.getByLabel('Colours').selectOption('dark');
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await background();
    await page.reload();
    await page.getByText('live', { exact: true }).waitFor();
    expect(await background()).toBe(dark);
    await page.getByLabel('Colours').selectOption('light');
    expect(await background()).not.toBe(dark);
  });

  test.each([
    ['reduce', 'none'],
    ['no-preference', 'flow'],
  ] as const)('with motion %s a step is drawn with animation %s', async (reducedMotion, animation) => {
    await seedAll();
    const { reaper, page } = await start({}, { reducedMotion });
    await reaper.sweep();
    await explainJob(page, 'hung');
    const line = page.locator('.walk .line.last').first();
    await line.waitFor({ state: 'attached' });
    expect(await line.evaluate((element) => getComputedStyle(element).animationName)).toBe(animation);
  });
});

test('100,000 jobs are swept with a page open: it counts them all, and answers meanwhile', async () => {
  const jobs = 100_000;
  await seed(server.client, jobs, { actingOneIn: 20 });
  const { reaper, url } = await create({}, { namespace });
  const { page, complaints } = await open(url);
  let isOver = false;
  const sweep = reaper.sweep().finally(() => {
    isOver = true;
  });
  let answers = 0;
  while (!isOver) {
    await page.getByRole('tab', { name: answers % 2 === 0 ? 'pool' : 'job', exact: true }).click();
    answers += 1;
  }
  const summary = await sweep;
  expect(answers).toBeGreaterThan(5);
  await page.locator('[data-testid="scanned"]', { hasText: '100,000' }).waitFor();
  expect({ kept: await verdictCount(page, 'kept'), fail: await verdictCount(page, 'fail') }).toEqual({
    kept: summary.verdicts.kept,
    fail: summary.verdicts.fail,
  });
  await page.getByText('1,000 of 1,000').waitFor();
  expect(await listedRows(page).count()).toBe(100);
  expect(await server.client.hlen(key('job_track', 'inprogress'))).toBeLessThan(jobs);
  expect(complaints).toEqual({ errors: [], foreign: [] });
});
