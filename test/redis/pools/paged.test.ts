import { expect, test } from 'vitest';
import { inChunks, readFieldNames, readSet } from '../../../src/io/redis/paged.ts';
import { redisFixture } from '../../support/fixture.ts';

const { redis, connection } = await redisFixture();

test('large sets and hashes are read in several commands', async () => {
  const names = Array.from({ length: 10_000 }, (_, i) => `pool-${i}`);
  await redis.sadd('set', ...names);
  await redis.hset('hash', ...names.flatMap((name) => [name, 1]));
  await redis.config('RESETSTAT');
  expect((await readSet(connection, 'set')).toSorted()).toEqual(names.toSorted());
  expect((await readFieldNames(connection, 'hash')).toSorted()).toEqual(names.toSorted());
  const stats = await redis.info('commandstats');
  for (const command of ['sscan', 'hscan']) {
    expect(Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1])).toBeGreaterThanOrEqual(8);
  }
});

test('a set that is read across a reconnect is read again from its start', async () => {
  const names = Array.from({ length: 10_000 }, (_, i) => `pool-${i}`);
  await redis.sadd('set', ...names);
  let asked = 0;
  const epoch = () => (asked++ === 0 ? 1 : 2);
  expect((await readSet({ redis, epoch }, 'set')).toSorted()).toEqual(names.toSorted());
});

test('of many commands, 500 at most are in flight at the same time', async () => {
  let [now, most] = [0, 0];
  const names = Array.from({ length: 1_200 }, (_, i) => `key-${i}`);
  const echoed = await inChunks(names, async (name) => {
    most = Math.max(most, ++now);
    const reply = await redis.echo(name);
    now -= 1;
    return reply;
  });
  expect([echoed, most]).toEqual([names, 500]);
});
