/** The outcome of an act is what Redis has done. */
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { JobOutcome } from '../../../src/index.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { startHookEndpoint } from '../../support/hookEndpoint.ts';
import { ackText, intercept, isCallOf, second, seedJob } from '../../support/jobs.ts';
import { idsIn, seedPool } from '../../support/pools.ts';

const { redis, opened, connection, keys, scripts } = await redisFixture();
const hookEndpoint = await startHookEndpoint();
afterAll(() => hookEndpoint.stop());

describe('acts of a sweep', () => {
  test.each(['reset', 'untrack'] as const)(
    'a job that changes before each attempt to %s it is overtaken',
    async (act) => {
      const at = await seedJob(redis, 'a', act === 'reset' ? {} : { status: 'Success' });
      await redis.hset('t:job_stats:a', 'ack', ackText('Success', at));
      let moves = 0;
      const client = opened.hold(
        intercept(redis, 'evalsha', async (args) => {
          // The script gets the fingerprint of the judged stats, and the stats have changed by now.
          if (!args.includes('t:job_track:inprogress') || !args.includes('a')) return;
          moves += 1;
          await redis.hset('t:job_stats:a', 'update_time', at - moves);
        }),
      );
      const reaper = opened.create({ redis: client });
      const outcomes: string[] = [];
      reaper.on('job', ({ verdict, outcome }: JobOutcome) => void outcomes.push(`${verdict} ${outcome}`));
      const { verdicts } = await reaper.sweep();
      expect(moves).toBe(2);
      expect(outcomes).toEqual([`${act} overtaken`]);
      expect(verdicts).toMatchObject({ [act]: 1 });
      expect(await redis.hexists('t:job_track:inprogress', 'a')).toBe(1);
      expect(await redis.hget('t:job_stats:a', 'update_time')).toBe(String(at - 2));
    },
  );

  test('the hook of a failed job is sent at once, before the sweep ends', async () => {
    for (const id of ['a', 'b']) await seedJob(redis, id, { age: 100_000, web_hook_url: `${hookEndpoint.url}/200/x` });
    let calls = 0;
    const client = opened.hold(
      intercept(redis, 'evalsha', async (args) => {
        // The second job fails only after the hook of the first one has arrived.
        if (isCallOf('fail_job', args) && ++calls > 1) await vi.waitUntil(() => hookEndpoint.hooks.length > 0);
      }),
    );
    await opened.create({ redis: client, clock: createTestClock() }).sweep();
    expect(hookEndpoint.hooks.map(({ body }) => [body.job_id, body.status]).toSorted()).toEqual([
      ['a', 'Error'],
      ['b', 'Error'],
    ]);
  });
});

const poolsOf = () => {
  const fixed = {
    heartbeatAge: 10_000,
    batch: 100,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: systemClock,
  };
  return createPools({ connection, keys, scripts, jobTypes: [], ...fixed });
};

describe('steps of a rescue', () => {
  test('the types of a live pool include those of the lists that it holds', async () => {
    await seedPool(redis, 'p', {
      heartbeat: second(),
      jobNames: 'X',
      holds: new Map([['Y', ['a']]]),
      isCounted: false,
    });
    const { live } = await poolsOf().find(true, 0);
    expect(live.map(({ pool, types }) => [pool, types.toSorted()])).toEqual([['p', ['X', 'Y']]]);
  });

  test('a dead pool stays registered while a list with an ambiguous name may be its own', async () => {
    const list = 't:jobs:A:b:c:inprogress';
    await redis.sadd('t:known_jobs', 'A', 'A:b');
    await seedPool(redis, 'b:c', { heartbeat: second(-600), holds: new Map([['A', ['a']]]), isCounted: false });
    await seedPool(redis, 'c', { heartbeat: second(-600) });
    const pools = poolsOf();
    const { suspects } = await pools.find(true, 0);
    const suspect = suspects.find(({ pool }) => pool === 'c');
    if (suspect === undefined) throw new Error('the pool is not suspected');
    expect(await pools.deregister(suspect, suspect.types)).toEqual({ outcome: 'entries' });
    expect(await redis.sismember('t:worker_pools', 'c')).toBe(1);
    expect(await redis.exists('t:worker_pools:c')).toBe(1);
    expect(await idsIn(redis, list)).toEqual(['a']);
    await redis.del(list);
    expect(await pools.deregister(suspect, suspect.types)).toEqual({ outcome: 'deregistered' });
    expect(await redis.sismember('t:worker_pools', 'c')).toBe(0);
  });
});
