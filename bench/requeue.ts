/** The speed of requeueing the entries of dead pools, compared with one entry a call. */
import { createReaper } from '../src/index.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { key, namespace, type Report } from './support.ts';

const entries = 100_000;
const pools = 20;
const oneByOne = `
  local entry = redis.call('RPOPLPUSH', KEYS[1], KEYS[2])
  if not entry then return nil end
  redis.call('DECR', KEYS[3])
  redis.call('HINCRBY', KEYS[4], ARGV[1], -1)
  return { entry, KEYS[1], KEYS[2] }`;

export const benchRequeue = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  const hold = async () => {
    await client.flushall();
    const entry = (i: number) => `{"name":"IMAGE_SCAN","id":"${i}","t":1700000000,"args":{"image":"library/nginx:1"}}`;
    for (let pool = 0; pool < pools; pool++) {
      const held = Array.from({ length: entries / pools }, (_, i) => entry(pool * entries + i));
      await client.rpush(key('jobs', 'IMAGE_SCAN', `p${pool}`, 'inprogress'), ...held);
      await client.hset(key('jobs', 'IMAGE_SCAN', 'lock_info'), `p${pool}`, held.length);
    }
    await client.set(key('jobs', 'IMAGE_SCAN', 'lock'), entries);
  };
  await hold();
  const sha = (await client.script('LOAD', oneByOne)) as string;
  const one = performance.now();
  for (let pool = 0; pool < pools; pool++) {
    const keys = [
      key('jobs', 'IMAGE_SCAN', `p${pool}`, 'inprogress'),
      key('jobs', 'IMAGE_SCAN'),
      key('jobs', 'IMAGE_SCAN', 'lock'),
      key('jobs', 'IMAGE_SCAN', 'lock_info'),
    ];
    while ((await client.evalsha(sha, 4, ...keys, `p${pool}`)) !== null);
  }
  const oneMs = performance.now() - one;
  await hold();
  const rescuer = createReaper({ redis: url, namespace, logger: false });
  await rescuer.ping();
  const many = performance.now();
  const rescue = await rescuer.rescue({ grace: 0 });
  const manyMs = performance.now() - many;
  await rescuer.stop();
  const isWhole = (await client.llen(key('jobs', 'IMAGE_SCAN'))) === entries && rescue.entries === entries;
  report(
    'requeue of 100,000 entries in 20 pools',
    `${manyMs.toFixed(0)} ms, one entry a call ${oneMs.toFixed(0)} ms: ${(oneMs / manyMs).toFixed(1)} × as fast`,
    '≥ 15 ×',
    isWhole && oneMs / manyMs >= 15,
  );
};
