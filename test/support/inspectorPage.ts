import type { Redis } from 'ioredis';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Reaper, ReaperOptions } from '../../src/index.ts';
import { type Complaints, openInspector, startBrowser } from './browser.ts';
import { ackText, second, seedJob } from './jobs.ts';
import { type Opened, trackOpened } from './reapers.ts';
import { type RedisServer, startRedis } from './redisServer.ts';

type Inspect = Exclude<ReaperOptions['inspect'], boolean | undefined>;
type OpenedPage = { readonly page: Page; readonly complaints: Complaints };

/** The inspector in a browser, for the tests of one file. */
export interface InspectorPage {
  /** A client of Redis, which is empty at the start of each test. */
  redis(): Redis;
  browser(): Browser;
  /** Creates a reaper with an inspector, which is closed after the test. */
  create(inspect?: Inspect, options?: Partial<ReaperOptions>): Promise<{ reaper: Reaper; url: string }>;
  /** Opens the page of an inspector. `prepare` is called before it loads. */
  open(url: string, options?: BrowserContextOptions, prepare?: (page: Page) => Promise<void>): Promise<OpenedPage>;
  /** Creates a reaper and opens its page. */
  start(inspect?: Inspect, options?: BrowserContextOptions): Promise<{ reaper: Reaper; url: string } & OpenedPage>;
}

/** Starts a Redis and a browser for the tests of a file. Call it at the top of the file. */
export const useInspectorPage = (): InspectorPage => {
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

  const create: InspectorPage['create'] = async (inspect = {}, options = {}) => {
    const reaper = opened.create({
      redis: server.url,
      inspect: { port: 0, announce: () => undefined, ...inspect },
      ...options,
    });
    return { reaper, url: (await reaper.inspectorUrl()) as string };
  };
  const open: InspectorPage['open'] = (url, options, prepare) => openInspector(browser, url, options, prepare);
  return {
    redis: () => server.client,
    browser: () => browser,
    create,
    open,
    async start(inspect = {}, options = {}) {
      const { reaper, url } = await create(inspect);
      return { reaper, url, ...(await open(url, options)) };
    },
  };
};

/** One job for every verdict except refire, and five healthy jobs. */
export const seedVerdicts = async (redis: Redis): Promise<void> => {
  const revision = second(-600);
  for (let i = 0; i < 5; i++) await seedJob(redis, `healthy-${i}`, { revision, ack: ackText('Running', revision) });
  await seedJob(redis, 'hung', { age: 90_000 });
  await seedJob(redis, 'behind', { ack: ackText('Success', second()), name: 'OTHER' });
  await seedJob(redis, 'settled', { status: 'Success', revision: 1, ack: ackText('Success', 1) });
  await redis.hset('t:job_track:inprogress', 'lost', 1);
};

/** The count of a verdict on the sweep's card. */
export const verdictCount = async (page: Page, verdict: string): Promise<number> =>
  Number((await page.locator(`[data-verdict="${verdict}"]`).innerText()).replaceAll(',', ''));
