import { expect, test } from 'vitest';
import { createGivenRedis } from '../../src/io/redis/givenRedis.ts';
import { createOutages } from '../../src/io/redis/outages.ts';
import { redisFixture } from '../support/fixture.ts';

const { redis } = await redisFixture();

test('after leave no command is sent on the caller’s client', async () => {
  const client = redis.duplicate();
  const outages = createOutages({ onFault: () => undefined });
  const given = createGivenRedis(client, outages, () => {
    throw new Error('another client is made');
  });
  expect(await given.redis.set('before', 1)).toBe('OK');
  given.leave();
  await expect(given.redis.set('after', 1)).rejects.toThrow('Connection is closed.');
  // The caller's own command goes over the same connection, after everything that was sent before.
  expect(await client.mget('before', 'after')).toEqual(['1', null]);
  client.disconnect();
});
