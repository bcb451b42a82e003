/** What metrics cost a sweep: with the HTTP server and a scrape every second, and without, in turns. */
import assert from 'node:assert/strict';
import { createReaper } from '../src/index.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { median, namespace, type Report, seed } from './support.ts';

const jobs = 100_000;
const rounds = 5;

/** Returns the duration of one sweep, in ms. */
const sweep = async (redis: string, isScraped: boolean): Promise<number> => {
  const reaper = createReaper({ redis, namespace, logger: false, http: isScraped ? { port: 0 } : false });
  await reaper.ping();
  const url = await reaper.httpUrl();
  let scrapes = 0;
  const scrape = async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    assert.match(text, /jobservice_reaper_jobs_judged_total/);
    scrapes += 1;
  };
  const timer = isScraped ? setInterval(() => void scrape(), 1_000) : undefined;
  const { durationMs, scanned } = await reaper.sweep();
  clearInterval(timer);
  if (isScraped) await scrape();
  assert.equal(scanned, jobs);
  assert.equal(scrapes > 0, isScraped);
  await reaper.stop();
  return durationMs;
};

export const benchMetrics = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  await seed(client, jobs);
  const without: number[] = [];
  const scraped: number[] = [];
  for (let round = 0; round < rounds; round++) {
    without.push(await sweep(url, false));
    scraped.push(await sweep(url, true));
  }
  const cost = median(scraped) / median(without) - 1;
  report(
    'sweep, 100,000 healthy jobs, scraped every second',
    `${((median(scraped) * 1_000) / jobs).toFixed(1)} µs a job, ${(100 * cost).toFixed(1)} % more than without a server`,
    '≤ 4 %',
    cost <= 0.04,
  );
};
