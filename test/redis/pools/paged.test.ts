import { expect, test } from 'vitest';
import { readFieldNames, readSet } from '../../../src/io/redis/paged.ts';
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
