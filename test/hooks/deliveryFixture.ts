import { beforeEach } from 'vitest';
import type { HookOutcome, Reaper, ReaperOptions } from '../../src/index.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { seedJob } from '../support/jobs.ts';

export const minute = 60_000;
export const hour = 60 * minute;

type Fields = Readonly<Record<string, string | number>>;

/** A real Redis, a real endpoint, and reapers that deliver to it, for the tests of a file. */
export const deliveryFixture = async () => {
  const { server, redis, opened } = await redisFixture();
  const hookEndpoint = await hookEndpointFixture();
  /** What the reapers of a test have reported of their hooks. */
  const outcomes: HookOutcome[] = [];
  beforeEach(() => {
    hookEndpoint.answer = undefined;
    outcomes.length = 0;
  });
  return {
    redis,
    opened,
    hookEndpoint,
    outcomes,
    create(options: Partial<ReaperOptions> = {}): Reaper {
      const reaper = opened.create({ redis: server.url, ...options });
      reaper.on('hook', (outcome) => void outcomes.push(outcome));
      return reaper;
    },
    /** A tracked job that its endpoint has not confirmed, updated ten minutes ago. */
    seed: (id: string, path = '/200/x', fields: Fields = {}) =>
      seedJob(redis, id, { web_hook_url: `${hookEndpoint.url}${path}`, ...fields }),
    ackOf: async (id: string) => JSON.parse((await redis.hget(`t:job_stats:${id}`, 'ack')) ?? 'null'),
    recordOf: (id: string) => redis.hget('t:reaper:hooks', id),
    changeStats: (id: string, fields: Fields) => redis.hset(`t:job_stats:${id}`, fields),
  };
};
