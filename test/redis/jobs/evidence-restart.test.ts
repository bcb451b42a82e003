/** What keeps a search for a silent job from seeing all: a restart of Redis in the middle, and keys that cannot be read. */
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { intercept, second, seedJob } from '../../support/jobs.ts';
import { trackOpened } from '../../support/reapers.ts';
import { type RedisServer, startRedis } from '../../support/redisServer.ts';

const opened = trackOpened();
afterEach(() => opened.close());

const start = async (...args: string[]): Promise<RedisServer> => {
  const server = await startRedis(...args);
  onTestFinished(() => server.stop());
  return server;
};

const entries = 8_000;

test.each(['scheduled', 'retry'])(
  'fault 139: a restart in the middle of %s passes over none of its entries',
  async (place) => {
    const server = await start('--appendonly', 'yes', '--appendfsync', 'always');
    const pipeline = server.client.pipeline();
    const old = second(-200_000);
    for (let i = 0; i < entries; i++) {
      pipeline.zadd(`t:${place}`, second(i), JSON.stringify({ name: 'X', id: `j${i}`, t: old, args: {} }));
      if (i % 8 > 0) continue;
      pipeline.hset(`t:job_stats:j${i}`, {
        id: `j${i}`,
        name: 'X',
        status: 'Pending',
        update_time: old,
        revision: old,
      });
      pipeline.hset('t:job_track:inprogress', `j${i}`, 2);
    }
    await pipeline.exec();
    let scans = 0;
    const redis = intercept(server.client, 'evalsha', async (args) => {
      if (!args.includes(`t:${place}`) || ++scans !== 4) return;
      await server.kill();
      await server.restart();
    });
    opened.hold(redis);
    const summary = await opened.create({ redis }).sweep();
    expect(scans).toBeGreaterThan(4);
    expect(summary).toMatchObject({
      scanned: entries / 8,
      verdicts: { keep: entries / 8 },
      reasons: { 'in-queue': entries / 8 },
    });
  },
);

test.each([
  ['t:worker_pools', 'what a pool is that is registered nowhere else'],
  ['t:worker_pools:p', 'the heartbeat of a pool'],
  ['t:worker:p-w', 'what a worker runs'],
])('fault 108: where %s (%s) cannot be read, a silent job is not failed', async (key) => {
  const { client, url } = await start();
  await client.sadd('t:worker_pools', 'p');
  await client.hset('t:worker_pools:p', { heartbeat_at: second(), worker_ids: 'p-w', job_names: 'X' });
  await client.del(key);
  await client.set(key, 'of another type');
  await seedJob(client, 'silent', { age: 100_000 });
  const reaper = opened.create({ redis: url });
  expect((await reaper.explain('silent')).reason).toBe('inconclusive');
  expect(await reaper.sweep()).toMatchObject({ reasons: { inconclusive: 1 }, verdicts: { keep: 1 } });
  await client.del(key);
  expect(await reaper.sweep()).toMatchObject({ verdicts: { fail: 1 } });
});
