/** How disruptions and unknown refusals are reported. */
import type { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { createPreflight } from '../../../src/io/pools/preflight.ts';
import { UnusableRedisError } from '../../../src/io/redis/errors.ts';
import { redisFixture } from '../../support/fixture.ts';

const { redis, opened, connection, keys } = await redisFixture();

const create = (client = redis) => {
  const reported: string[] = [];
  const preflight = createPreflight({
    connection: { ...connection, redis: client },
    keys,
    // This process may be late under load, and that must not matter here.
    lag: { read: () => 0, close: () => undefined },
    monotonic: () => 0,
    onDisruption: (reason) => void reported.push(reason),
  });
  onTestFinished(() => preflight.close());
  return { preflight, reported };
};
/** A client on which a command fails. */
const failing = (command: 'set' | 'time', error: Error): Redis => {
  const client = opened.hold(redis.duplicate());
  return Object.assign(client, { [command]: () => Promise.reject(error) });
};

test('a disruption is reported once, after it is over', async () => {
  const { preflight, reported } = create();
  await preflight.run(true);
  expect(reported).toEqual([]);
  preflight.countError(new Error('OOM command not allowed'));
  for (let i = 0; i < 3; i++) await preflight.run(true);
  expect(reported).toHaveLength(1);
  preflight.countError(new Error("READONLY You can't write"));
  for (let i = 0; i < 3; i++) await preflight.run(true);
  expect(reported).toHaveLength(2);
});

test('during a failover no pool may be judged, and the result says why', async () => {
  const { preflight } = create(
    failing('time', new UnusableRedisError('redis-read-only', 'transient', 'it is a replica by now')),
  );
  expect(await preflight.run(false)).toEqual({
    blocked: { code: 'redis-read-only', message: 'it is a replica by now' },
  });
  expect(preflight.count()).toBe(1);
});

test('a write that is refused for an unknown reason fails the preflight', async () => {
  const { preflight } = create(failing('set', new Error('ODD a reply that no list names')));
  await expect(preflight.run(false)).rejects.toThrow('ODD a reply that no list names');
  expect(preflight.count()).toBe(1);
  expect(await preflight.run(true)).toMatchObject({ disruptions: 1 });
});
