/**
 * Upstream's faults in what becomes of a job, by their numbers. Each test runs upstream's rule on a state and shows the
 * fault, then ours on the same state and shows that it is absent.
 */
import { expect, test } from 'vitest';
import type { Reaper, ReaperOptions } from '../../../src/index.ts';
import { createScripts, scriptOfDigest } from '../../../src/io/redis/scripts.ts';
import { hookEndpointFixture, redisFixture } from '../../support/fixture.ts';
import { ackText, intercept, second, seedJob } from '../../support/jobs.ts';
import { createUpstream } from '../../support/upstream.ts';

const { server, redis, upstream, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();
const wipe = async () => {
  await redis.flushall();
  hookEndpoint.hooks.length = 0;
};

const create = (options: Partial<ReaperOptions> = {}): Reaper => opened.create({ redis: server.url, ...options });
const sweep = () => create().sweep();
const field = (id: string, name: string) => redis.hget(`t:job_stats:${id}`, name);
const count = (id: string) => redis.hget('t:job_track:inprogress', id);
const keysOf = (id: string) => [`t:job_stats:${id}`, 't:job_track:inprogress'];
const day = 86_400;

test('defect 15: a job that checks in while it is judged is not failed, and its Success is accepted', async () => {
  const seed = async () => {
    const at = await seedJob(redis, 'a', { age: 2 * day });
    await redis.hset('t:job_stats:a', 'ack', ackText('Running', at));
    return at;
  };
  const checkIn = () => redis.hset('t:job_stats:a', { check_in_at: second(), update_time: second() });

  const revision = await seed();
  await upstream.sync({ beforeWrite: checkIn });
  expect(await field('a', 'status')).toBe('Error');
  expect(await upstream.setStatus('a', 'Success', revision)).toBe('Error');

  await wipe();
  await seed();
  let checkIns = 0;
  const client = opened.hold(
    intercept(redis, 'evalsha', async (args) => {
      if (scriptOfDigest(String(args[0])) === 'fail_job' && checkIns++ === 0) await checkIn();
    }),
  );
  await create({ redis: client }).sweep();
  expect(checkIns).toBe(1);
  expect(await field('a', 'status')).toBe('Running');
  expect(await upstream.setStatus('a', 'Success', revision)).toBe('ok');
});

test('defect 16: a job without a hook URL and without an ACK is judged', async () => {
  await seedJob(redis, 'dead', { age: 10 * day });
  await seedJob(redis, 'done', { status: 'Success' });
  await upstream.sync();
  await upstream.sync();
  expect(await redis.hkeys('t:job_track:inprogress')).toEqual(['dead', 'done']);
  expect(await field('dead', 'status')).toBe('Running');

  await sweep();
  expect(await field('dead', 'status')).toBe('Error');
  await sweep();
  expect(await redis.exists('t:job_track:inprogress')).toBe(0);
});

test('defect 17: a dead job whose endpoint is down is failed', async () => {
  await seedJob(redis, 'a', { age: 10 * day, web_hook_url: `${hookEndpoint.url}/500/x` });
  await upstream.sync();
  await upstream.sync();
  expect(hookEndpoint.hooks).toHaveLength(2);
  expect(await field('a', 'status')).toBe('Running');

  await sweep();
  expect(await field('a', 'status')).toBe('Error');
});

test('defect 22: a check-in one second behind does not keep a dead job alive without end', async () => {
  const seed = async () => {
    const at = await seedJob(redis, 'a', { age: 10 * day, check_in_at: second(-10 * day) });
    await redis.hset('t:job_stats:a', 'ack', ackText('Running', at, second(-10 * day) + 1));
  };
  await seed();
  await upstream.sync();
  expect(await field('a', 'status')).toBe('Running');
  expect(Number(await field('a', 'update_time'))).toBeGreaterThan(second(-60));

  await wipe();
  await seed();
  await sweep();
  expect(await field('a', 'status')).toBe('Error');
});

test('defect 23: a job is reset to an ACK of a newer revision, and needs nothing afterwards', async () => {
  const at = await seedJob(redis, 'a', { status: 'Success' });
  await redis.hset('t:job_stats:a', 'ack', ackText('Running', at + 10));
  for (let i = 0; i < 2; i++) {
    expect((await upstream.sync()).log).toEqual(['error: status mismatch of a, current Success']);
  }
  expect(await field('a', 'revision')).toBe(String(at));

  expect(await sweep()).toMatchObject({ verdicts: { reset: 1 } });
  expect(await field('a', 'status')).toBe('Running');
  expect(await field('a', 'revision')).toBe(String(at + 10));
  expect(await sweep()).toMatchObject({ verdicts: { keep: 1 } });
});

test('defect 24: a periodic policy and a job that is scheduled days ahead are not hung', async () => {
  const seed = async () => {
    const at = await seedJob(redis, 'policy', { age: 10 * day, kind: 'Periodic', status: 'Scheduled' });
    await seedJob(redis, 'later', { age: 10 * day, kind: 'Scheduled', status: 'Scheduled', run_at: second(3 * day) });
    for (const id of ['policy', 'later']) await redis.hset(`t:job_stats:${id}`, 'ack', ackText('Scheduled', at));
  };
  await seed();
  await upstream.sync();
  expect([await field('policy', 'status'), await field('later', 'status')]).toEqual(['Error', 'Error']);

  await wipe();
  await seed();
  await sweep();
  expect([await field('policy', 'status'), await field('later', 'status')]).toEqual(['Scheduled', 'Scheduled']);
});

test('defect 27: a final status that is written twice leaves the job tracked until it is ACKed', async () => {
  const at = await seedJob(redis, 'a');
  for (let i = 0; i < 2; i++) expect(await upstream.setStatus('a', 'Success', at)).toBe('ok');
  expect(await count('a')).toBeNull();

  await wipe();
  await seedJob(redis, 'a', { revision: at });
  const scripts = createScripts(redis);
  for (let i = 0; i < 2; i++) {
    expect(await scripts.run('set_status', keysOf('a'), ['Success', at, 'a'])).toEqual({ outcome: 'done' });
  }
  expect(await count('a')).toBe('1');
  for (let i = 0; i < 2; i++) await scripts.run('acknowledge', keysOf('a'), ['Success', at, 0, 'a']);
  expect(await count('a')).toBeNull();
});

test('defect 28: a status or an ACK of a job without stats is not written', async () => {
  await upstream.setStatus('gone', 'Running', second());
  await upstream.ack('gone', 'Running', second(), 0);
  await upstream.reset('again', 'Pending');
  expect(await redis.ttl('t:job_stats:gone')).toBe(-1);
  expect(await redis.ttl('t:job_stats:again')).toBe(-1);

  await wipe();
  const scripts = createScripts(redis);
  expect(await scripts.run('set_status', keysOf('gone'), ['Running', second(), 'gone'])).toEqual({
    outcome: 'missing',
  });
  expect(await scripts.run('acknowledge', keysOf('gone'), ['Running', second(), 0, 'gone'])).toEqual({
    outcome: 'missing',
  });
  expect(await scripts.run('reset_job', keysOf('again'), ['again', 'Pending', ''])).toEqual({ outcome: 'missing' });
  expect(await scripts.run('check_in', keysOf('gone').slice(0, 1), [''])).toEqual({ outcome: 'missing' });
  expect(await redis.dbsize()).toBe(0);
});

test('defect 29: a malformed ACK, a malformed track value and a missing update_time are repaired', async () => {
  const at = await seedJob(redis, 'ack', { ack: '{broken', web_hook_url: `${hookEndpoint.url}/200/x` });
  const seedTimeless = async () => {
    const revision = await seedJob(redis, 'time', { ack: ackText('Running', at) });
    await redis.hset('t:job_stats:time', 'ack', ackText('Running', revision));
    await redis.hdel('t:job_stats:time', 'update_time');
  };
  await seedTimeless();
  await seedJob(redis, 'track', { revision: at });
  await redis.hset('t:job_track:inprogress', 'track', 'many');
  for (let i = 0; i < 2; i++) await expect(upstream.ack('ack', 'Running', at, 0)).rejects.toThrow();
  await expect(upstream.setStatus('track', 'Success', at)).rejects.toThrow('not an integer');
  expect(await count('track')).toBe('many');
  await upstream.sync();
  expect(await field('time', 'status')).toBe('Error');
  expect(await field('ack', 'ack')).toBe('{broken');

  await seedTimeless();
  await redis.hset('t:job_stats:track', 'status', 'Running');
  await sweep();
  expect(await field('time', 'status')).toBe('Running');
  expect(JSON.parse((await field('ack', 'ack')) ?? '')).toEqual({ status: 'Running', revision: at, check_in_at: 0 });
  await createScripts(redis).run('set_status', keysOf('track'), ['Success', at, 'track']);
  expect(await count('track')).toBe('1');
});

test('defect 30: a late check-in does not replace the ACK of a finished job', async () => {
  const at = await seedJob(redis, 'a', { status: 'Success' });
  const confirmed = ackText('Success', at);
  await redis.hset('t:job_stats:a', 'ack', confirmed);
  expect(await upstream.ack('a', 'Running', at, at + 1)).toBe('ok');
  expect(JSON.parse((await field('a', 'ack')) ?? '')).toMatchObject({ status: 'Running' });

  await redis.hset('t:job_stats:a', 'ack', confirmed);
  const reply = await createScripts(redis).run('acknowledge', keysOf('a'), ['Running', at, at + 1, 'a']);
  expect(reply).toEqual({ outcome: 'refused' });
  expect(await field('a', 'ack')).toBe(confirmed);
});

test('defect 34: a job that the scan returns twice gets one hook in a sweep', async () => {
  await seedJob(redis, 'a', { web_hook_url: `${hookEndpoint.url}/500/x` });
  const repeating = () => {
    const client = opened.hold(redis.duplicate());
    let pages = 0;
    // biome-ignore lint/suspicious/noExplicitAny: the overloads of two commands
    const methods = client as any;
    methods.hscan = async (key: string) => [pages++ === 0 ? '7' : '0', (await redis.hscan(key, '0'))[1]];
    const evalsha = client.evalsha.bind(client) as (...args: unknown[]) => Promise<unknown>;
    methods.evalsha = async (...args: unknown[]) => {
      if (args[2] !== 't:job_track:inprogress' || args.length !== 5) return evalsha(...args);
      const [runId, , ...ids] = (await evalsha(...args.slice(0, 3), '0', args[4])) as unknown[];
      return [runId, pages++ === 0 ? '7' : '0', ...ids];
    };
    return client;
  };
  await createUpstream(repeating()).sync();
  expect(hookEndpoint.hooks).toHaveLength(2);

  hookEndpoint.hooks.length = 0;
  expect(await create({ redis: repeating() }).sweep()).toMatchObject({ scanned: 1 });
  expect(hookEndpoint.hooks).toHaveLength(1);
});

test('defect 35: a job with a recent check-in, attempt or enqueueing is not hung', async () => {
  const ids = ['check_in_at', 'revision', 'enqueue_time'];
  const seed = async () => {
    for (const id of ids) {
      const at = await seedJob(redis, id, { age: 2 * day, [id]: second(-3_600) });
      const revision = id === 'revision' ? second(-3_600) : at;
      const checkInAt = id === 'check_in_at' ? second(-3_600) : 0;
      await redis.hset(`t:job_stats:${id}`, {
        revision,
        ack: ackText('Running', revision, checkInAt),
        ...(checkInAt > 0 ? { check_in_at: checkInAt } : {}),
      });
    }
  };
  const statuses = () => Promise.all(ids.map((id) => field(id, 'status')));
  await seed();
  await upstream.sync();
  expect(await statuses()).toEqual(['Error', 'Error', 'Error']);

  await wipe();
  await seed();
  await sweep();
  expect(await statuses()).toEqual(['Running', 'Running', 'Running']);
});

test('defect 36: a hook URL of blanks is not a hook URL', async () => {
  await seedJob(redis, 'a', { status: 'Success', web_hook_url: '  ' });
  expect((await upstream.sync()).fired).toEqual(['a']);
  expect((await upstream.sync()).fired).toEqual(['a']);

  const reaper = create();
  const hooks: unknown[] = [];
  reaper.on('hook', (outcome) => void hooks.push(outcome));
  expect(await reaper.sweep()).toMatchObject({ reasons: { 'no-endpoint': 1 } });
  expect(hooks).toEqual([]);
  expect(await count('a')).toBeNull();
});

test('defect 38: a sweep makes one round trip a page, not two a job', async () => {
  const jobs = 1_000;
  for (let i = 0; i < jobs; i++) void seedJob(redis, `job-${i}`);
  /** Commands that came from a client. Commands that a script calls are not round trips. */
  const roundTrips = async (run: () => Promise<unknown>) => {
    await redis.config('RESETSTAT');
    await run();
    const lines = (await redis.info('commandstats')).matchAll(
      /^cmdstat_(ping|hgetall|hscan|eval|evalsha):calls=(\d+)/gm,
    );
    return [...lines].reduce((sum, [, , calls]) => sum + Number(calls), 0);
  };
  expect(await roundTrips(() => upstream.sync())).toBeGreaterThanOrEqual(2 * jobs);
  const reaper = create({ sweep: { pageSize: 100, maxRedisShare: 1 } });
  expect(await roundTrips(() => reaper.sweep())).toBeLessThanOrEqual(40);
});
