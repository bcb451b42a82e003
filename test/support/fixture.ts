import { afterAll, afterEach, beforeEach } from 'vitest';
import type { Connection } from '../../src/io/redis/connection.ts';
import { keysOf } from '../../src/io/redis/keys.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { type HookEndpoint, startHookEndpoint } from './hookEndpoint.ts';
import { trackOpened } from './reapers.ts';
import { startRedis } from './redisServer.ts';
import { createUpstream } from './upstream.ts';

/** The namespace of all tests. */
export const namespace = 't';

/**
 * A real Redis for the tests of a file, with what they use of it. It starts before the tests, is empty before each of them, and stops
 * after them. Reapers and clients that a test opens through `opened` are closed after it.
 *
 * @example
 * const { redis, keys, scripts } = await redisFixture();
 * test('…', async () => { await redis.sadd(keys.pools, 'p'); });
 *
 * @param args options of redis-server
 */
export const redisFixture = async (...args: string[]) => {
  const server = await startRedis(...args);
  const redis = server.client;
  const opened = trackOpened();
  // A file whose collection fails never runs its hooks.
  const killAtExit = () => process.kill(server.pid, 'SIGKILL');
  process.once('exit', killAtExit);
  beforeEach(async () => {
    await redis.flushall();
  });
  afterEach(() => opened.close());
  afterAll(async () => {
    process.off('exit', killAtExit);
    await server.stop();
  });
  const connection: Connection = { redis, description: '', epoch: () => 1, close: async () => undefined };
  return {
    server,
    redis,
    opened,
    connection,
    keys: keysOf(namespace),
    scripts: createScripts(redis),
    /** What gocraft and the Go jobservice do in Redis. */
    upstream: createUpstream(redis),
  };
};

/** A real endpoint for the hooks of a file's tests. It has received nothing when a test begins, and stops after the tests. */
export const hookEndpointFixture = async (): Promise<HookEndpoint> => {
  const hookEndpoint = await startHookEndpoint();
  beforeEach(() => {
    hookEndpoint.hooks.length = 0;
  });
  afterAll(() => hookEndpoint.stop());
  return hookEndpoint;
};
