/** What a sweep leaves of Redis to others: the times of another client's GETs, the speed at the default share, and the longest script. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { systemClock } from '../src/io/clock.ts';
import { createPace } from '../src/io/jobs/pace.ts';
import { createTrackedJobs } from '../src/io/jobs/trackedJobs.ts';
import { keysOf } from '../src/io/redis/keys.ts';
import { createScripts, type Scripts } from '../src/io/redis/scripts.ts';
import { readOptions } from '../src/options.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { apartFrom } from './load.ts';
import { type GetTimes, getTimesDuring } from './otherClient.ts';
import { median, namespace, type Report, redisCpu, sweepOnce } from './support.ts';

const rounds = 3;

const together: typeof apartFrom = (_, begin) => begin((work) => work());

/** With the tracked jobs that are there, all healthy. */
export const benchGentle = async (server: RedisServer, report: Report, jobs: number): Promise<void> => {
  const { maxRedisShare } = readOptions({ redis: server.url, namespace }).sweep;
  const alone: GetTimes[] = [];
  const kinds = [
    { name: `default share (${maxRedisShare})`, sweep: {}, target: true, isApart: false },
    { name: `default share (${maxRedisShare}), screened`, sweep: { screen: true }, target: true, isApart: false },
    {
      name: `default share (${maxRedisShare}), the sweep on a processor of its own`,
      sweep: {},
      target: true,
      isApart: true,
    },
    { name: 'share 1', sweep: { maxRedisShare: 1 }, target: false, isApart: false },
    { name: 'share 1, screened', sweep: { maxRedisShare: 1, screen: true }, target: false, isApart: false },
  ].map((kind) => ({ ...kind, turns: [] as { gets: GetTimes; us: number; share: number }[] }));
  for (let round = 0; round < rounds; round++) {
    alone.push(await getTimesDuring(server.port, () => sleep(2_000)));
    for (const { sweep, turns, isApart } of kinds) {
      const before = await redisCpu(server.client);
      let ms = 0;
      const gets = await (isApart ? apartFrom : together)(server.pid, (run) =>
        getTimesDuring(server.port, () =>
          run(async () => {
            ms = (await sweepOnce(server.url, { keep: jobs }, { sweep })).durationMs;
          }),
        ),
      );
      turns.push({ gets, us: (ms * 1_000) / jobs, share: ((await redisCpu(server.client)) - before) / ms });
    }
  }
  const p99 = median(alone.map((gets) => gets.p99));
  for (const { name, target, turns } of kinds) {
    const of = (pick: (turn: (typeof turns)[0]) => number) => median(turns.map(pick));
    const more = of(({ gets }) => gets.p99) - p99;
    const text = `p99 ${of(({ gets }) => gets.p99).toFixed(2)} ms, without a sweep ${p99.toFixed(2)} ms: ${more.toFixed(2)} ms more; ${of(({ us }) => us).toFixed(1)} µs a job, ${(100 * of(({ share }) => share)).toFixed(0)} % of the time of Redis, GETs included`;
    if (target) report(`GETs of another client during a sweep, ${name}`, text, '≤ 1 ms more', more <= 1);
    else report(`GETs of another client during a sweep, ${name}`, text);
  }
  await benchScripts(server, report, maxRedisShare);
};

/** The processor time of the longest script, and the jobs of a usual one. */
const benchScripts = async ({ port }: RedisServer, report: Report, share: number): Promise<void> => {
  const redis = new Redis(port);
  const real = createScripts(redis);
  const longest = new Map<string, { us: number; sum: number; count: number }>();
  const scripts: Scripts = {
    ...real,
    run: async (name, keys, ...rest) => {
      const reply = await real.run(name, keys, ...rest);
      const { us = 0 } = reply as { us?: number };
      const known = longest.get(name) ?? { us: 0, sum: 0, count: 0 };
      longest.set(name, { us: Math.max(known.us, us), sum: known.sum + us, count: known.count + 1 });
      return reply;
    },
  };
  const tracked = createTrackedJobs({
    connection: { redis, description: '', epoch: () => 1, close: async () => undefined },
    keys: keysOf(namespace),
    scripts,
    pace: createPace(systemClock, share),
    pageSize: 500,
    random: Math.random,
  });
  const reader = tracked.open();
  for (let isLast = false; !isLast; ) ({ isLast } = await reader.next());
  redis.disconnect();
  const text = [...longest].map(
    ([name, { us, sum, count }]) => `${name} ${(us / 1_000).toFixed(1)} ms (mean ${(sum / count / 1_000).toFixed(2)})`,
  );
  const most = Math.max(...[...longest.values()].map(({ us }) => us));
  report('longest script of a sweep, processor time of Redis', text.join(', '), '≤ 2 ms', most <= 2_000);
};
