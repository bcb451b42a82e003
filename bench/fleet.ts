/**
 * A fleet: 200 live pools of 20 workers, 5,000,000 tracked jobs of 50 types, and 200 more pools that die at once while two reapers
 * run. How long it takes until all their entries are in the queues again, what that costs Redis, and how long the workers of the
 * live pools wait for a fetch meanwhile. `BENCH_JOBS=100000` takes fewer tracked jobs.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { RedisServer } from '../test/support/redisServer.ts';
import { fleet, poolsOf, typeOf } from './fleetShape.ts';
import { benchGrowth } from './growth.ts';
import { key, type Report, redisCpu } from './support.ts';

const jobs = Number(process.env.BENCH_JOBS ?? 5_000_000);
const sizes = [10_000, 100_000, 1_000_000, 5_000_000];
/** The default of `rescue.grace`, in ms. */
const grace = 15_000;
const dying = poolsOf('dying', fleet.pools);

export const benchFleet = async (server: RedisServer, report: Report): Promise<void> => {
  const { client, url } = server;
  await benchGrowth(server, report, [...sizes.filter((size) => size < jobs), jobs], fleet.types);
  await seedQueues(client);
  const live = await start('fleetHosts', url, 'live', String(fleet.pools), String(fleet.fetchesPerSecond));
  const doomed = await start('fleetHosts', url, 'dying', String(fleet.pools), '0');
  const reapers = [await start('fleetReaper', url), await start('fleetReaper', url)];
  try {
    // Past the first passes of the reapers.
    await sleep(10_000);
    const before = await windowOf(client, live, () => sleep(10_000));
    doomed.kill('SIGKILL');
    const graceOver = (await suspectedAt(client)) + grace;
    await sleep(graceOver - Date.now());
    const burst = await windowOf(client, live, () => untilRequeued(client));
    reportBurst(report, { after: Date.now() - graceOver, before, burst });
    await checkConserved(client, live);
  } finally {
    for (const child of [live, doomed, ...reapers]) child.kill('SIGKILL');
  }
};

/** Entries in each queue, and those that the pools hold that will die: one of each type. */
const seedQueues = async (redis: Redis): Promise<void> => {
  const script = `
    for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
      redis.call('LPUSH', KEYS[1], '{"name":"' .. ARGV[3] .. '","id":"' .. ARGV[4] .. i ..
        '","t":1700000000,"args":{"image":"library/nginx:1","registration":{"name":"Trivy"}}}')
    end`;
  for (let i = 0; i < fleet.types; i++) {
    const type = typeOf(i);
    await redis.sadd(key('known_jobs'), type);
    await redis.eval(script, 1, key('jobs', type), 0, fleet.queued, type, `q${i}-`);
  }
  for (const [n, pool] of dying.entries()) {
    const pipeline = redis.pipeline();
    for (let i = n * fleet.held; i < (n + 1) * fleet.held; i++) {
      const type = typeOf(i);
      pipeline.eval(script, 1, key('jobs', type, pool, 'inprogress'), i, i + 1, type, 'held-');
      pipeline.hincrby(key('jobs', type, 'lock_info'), pool, 1).incr(key('jobs', type, 'lock'));
    }
    await pipeline.exec();
  }
};

/** Starts a program of this folder, and waits until it has begun. */
const start = async (program: string, ...args: string[]): Promise<ChildProcess> => {
  const file = new URL(`./${program}.ts`, import.meta.url).pathname;
  const child = fork(file, args, { execArgv: ['--import', 'tsx'] });
  await once(child, 'message');
  return child;
};

interface Window {
  /** Times of the fetches of live pools, in ms, sorted. */
  readonly times: readonly number[];
  readonly ms: number;
  /** Processor time of Redis, in ms. */
  readonly redisMs: number;
}

const measure = async (live: ChildProcess, message: 'measure' | 'stop') => {
  live.send(message);
  const [{ times, fetched }] = (await once(live, 'message')) as [{ times: number[]; fetched: number }];
  return { times: times.sort((a, b) => a - b), fetched };
};

const windowOf = async (client: Redis, live: ChildProcess, work: () => Promise<unknown>): Promise<Window> => {
  await measure(live, 'measure');
  const cpu = await redisCpu(client);
  const began = performance.now();
  await work();
  const ms = performance.now() - began;
  const redisMs = (await redisCpu(client)) - cpu;
  return { times: (await measure(live, 'measure')).times, ms, redisMs };
};

/** When the last of the dead pools was suspected, by Redis TIME in ms. */
const suspectedAt = async (redis: Redis): Promise<number> => {
  for (;;) {
    const records = await redis.hmget(key('reaper', 'suspects'), ...dying);
    const found = records.filter((record) => record !== null).map((record) => JSON.parse(record).since as number);
    if (found.length === dying.length) return Math.max(...found);
    await sleep(200);
  }
};

/** Until the dead pools hold nothing. Asks for 500 lists at a time, so that the question does not slow Redis down. */
const untilRequeued = async (redis: Redis): Promise<void> => {
  const lists = dying.flatMap((pool) => poolLists(pool));
  while (lists.length > 0) {
    const asked = lists.slice(0, 500);
    if ((await redis.exists(...asked)) === 0) lists.splice(0, asked.length);
    else await sleep(10);
  }
};
const poolLists = (pool: string) =>
  Array.from({ length: fleet.types }, (_, i) => key('jobs', typeOf(i), pool, 'inprogress'));

const reportBurst = (
  report: Report,
  { after, before, burst }: { after: number; before: Window; burst: Window },
): void => {
  const entries = (fleet.pools * fleet.held).toLocaleString('en');
  const what = `${fleet.pools} pools dead at once, ${entries} entries, ${jobs.toLocaleString('en')} tracked jobs, two reapers`;
  report(what, `all requeued ${(after / 1_000).toFixed(2)} s after the grace`, '≤ 2 s', after <= 2_000);
  const share = ({ redisMs, ms }: Window) => `${((redisMs / ms) * 100).toFixed(0)} %`;
  report(
    'its cost on Redis',
    `${burst.redisMs.toFixed(0)} ms of processor time, ${share(burst)} of a processor; before ${share(before)}`,
  );
  const percentile = ({ times }: Window, share: number) =>
    `${(times[Math.floor(times.length * share)] as number).toFixed(1)} ms`;
  const fetchesOf = (window: Window) => `p99 ${percentile(window, 0.99)}, median ${percentile(window, 0.5)}`;
  report(
    `fetches of ${fleet.pools} live pools meanwhile`,
    `${fetchesOf(burst)} (${burst.times.length} fetches); before ${fetchesOf(before)}`,
  );
};

/** Every entry is in its queue, or was fetched by a live pool. */
const checkConserved = async (redis: Redis, live: ChildProcess): Promise<void> => {
  await measure(live, 'stop');
  await sleep(500);
  const { fetched } = await measure(live, 'measure');
  let queued = 0;
  for (let i = 0; i < fleet.types; i++) queued += await redis.llen(key('jobs', typeOf(i)));
  assert.equal(queued + fetched, fleet.types * fleet.queued + fleet.pools * fleet.held);
};
