/** What metrics cost a sweep: with the HTTP server and a scrape every second, and without, in turns. */
import type { RedisServer } from '../test/support/redisServer.ts';
import { median, type Report, seed, sweepOnce } from './support.ts';

const jobs = 100_000;
const rounds = 5;

export const benchMetrics = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  await seed(client, jobs);
  const sweep = async (http: false | { port: number }) => (await sweepOnce(url, { keep: jobs }, { http })).durationMs;
  const without: number[] = [];
  const scraped: number[] = [];
  for (let round = 0; round < rounds; round++) {
    without.push(await sweep(false));
    scraped.push(await sweep({ port: 0 }));
  }
  const cost = median(scraped) / median(without) - 1;
  report(
    'sweep, 100,000 healthy jobs, scraped every second',
    `${((median(scraped) * 1_000) / jobs).toFixed(1)} µs a job, ${(100 * cost).toFixed(1)} % more than without a server`,
    '≤ 4 %',
    cost <= 0.04,
  );
};
