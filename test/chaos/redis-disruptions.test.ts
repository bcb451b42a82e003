import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createReaper, type Reaper, type ReaperOptions } from '../../src/index.ts';
import { createRunningClock } from '../support/clock.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { startProxy } from '../support/proxy.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';
import { readState, type State } from '../support/states.ts';

let server: RedisServer;
let hookEndpoint: HookEndpoint;
let reaper: Reaper | undefined;
beforeAll(async () => {
  [server, hookEndpoint] = await Promise.all([
    startRedis('--appendonly', 'yes', '--appendfsync', 'always', '--lua-time-limit', '50'),
    startHookEndpoint(),
  ]);
});
afterAll(() => Promise.all([server.stop(), hookEndpoint.stop()]));
beforeEach(async () => {
  await server.client.flushall();
  hookEndpoint.hooks.length = 0;
});
afterEach(async () => {
  await reaper?.stop({ timeout: 0 });
  reaper = undefined;
});

const create = (options: Partial<ReaperOptions> = {}): Reaper => {
  reaper = createReaper({
    redis: server.url,
    namespace: 't',
    logger: false,
    rescue: { batchSize: 2 },
    ...options,
  });
  return reaper;
};
/** Options of ioredis with immediate reconnects. */
const eager = (port: number) => ({ host: '127.0.0.1', port, retryStrategy: () => 10 });

/** The same second for all runs, so that their states can be compared. */
const now = Math.floor(Date.now() / 1_000);

/** `count` jobs of each verdict. */
const seedJobs = async (count: number) => {
  const pipeline = server.client.pipeline();
  const add = (id: string, status: string, age: number, ack: string | undefined) => {
    const t = now - age;
    const stats = {
      id,
      name: 'X',
      kind: 'Generic',
      status,
      update_time: t,
      revision: t,
      web_hook_url: `${hookEndpoint.url}/200/${id}`,
    };
    const confirmed = ack === undefined ? {} : { ack: `{"status":"${ack}","revision":${t},"check_in_at":0}` };
    pipeline.hset(`t:job_stats:${id}`, { ...stats, ...confirmed });
  };
  for (let i = 0; i < count; i++) {
    add(`healthy${i}`, 'Running', 600, 'Running');
    add(`hung${i}`, 'Running', 100_000, 'Running');
    add(`behind${i}`, 'Running', 600, 'Success');
    add(`settled${i}`, 'Success', 600, 'Success');
    add(`unacked${i}`, 'Success', 600, undefined);
    for (const name of ['healthy', 'hung', 'behind', 'settled', 'unacked', 'lost'])
      pipeline.hset('t:job_track:inprogress', `${name}${i}`, 2);
  }
  await pipeline.exec();
};
const seedPool = async () => {
  await server.client.sadd('t:worker_pools', 'p');
  await server.client.rpush('t:jobs:X:p:inprogress', 'e1', 'e2', 'e3', 'e4', 'e5');
  await server.client.hset('t:jobs:X:lock_info', 'p', 5);
  await server.client.set('t:jobs:X:lock', 5);
};

/** The final state of the seeded jobs, which faults must not change. */
const expectMended = async (count: number) => {
  const { client } = server;
  for (let i = 0; i < count; i++) {
    const status = (name: string) => client.hget(`t:job_stats:${name}${i}`, 'status');
    const tracked = (name: string) => client.hget('t:job_track:inprogress', `${name}${i}`);
    expect(await Promise.all(['healthy', 'hung', 'behind', 'settled', 'unacked'].map(status))).toEqual([
      'Running',
      'Error',
      'Success',
      'Success',
      'Success',
    ]);
    expect(await Promise.all(['healthy', 'lost', 'settled'].map(tracked))).toEqual(['2', null, null]);
  }
};

test('a sweep is completed although Redis is killed and restarted meanwhile, and every job is repaired', async () => {
  const count = 400;
  await seedJobs(count);
  create({ redis: eager(server.port), sweep: { pageSize: 100, concurrency: 4 } });
  let acted = 0;
  const done = new Set<string>();
  const twice: string[] = [];
  const outage = new Promise<void>((resolve) => {
    reaper?.on('job', async ({ id, verdict, outcome }) => {
      if (verdict !== 'keep' && outcome !== 'overtaken') {
        if (done.has(id)) twice.push(id);
        done.add(id);
      }
      if (++acted === 500) {
        await server.kill();
        await server.restart();
        resolve();
      }
    });
  });
  const summary = await reaper?.sweep();
  await outage;
  expect(summary?.scanned).toBe(6 * count);
  expect(twice).toEqual([]); // Although the scan starts again.
  // The next sweep repairs the jobs whose acts failed during the outage, and refires the deferred hooks.
  await reaper?.sweep();
  await expectMended(count);
});

test('a sweep is suspended and changes nothing while Redis is read-only (READONLY), and the jobs are repaired later', async () => {
  await seedJobs(2);
  await seedPool();
  await server.client.call('REPLICAOF', '127.0.0.1', '1');
  await server.client.config('SET', 'replica-serve-stale-data', 'yes');
  create();
  const before = await readState(server.client);
  const errors: string[] = [];
  reaper?.on('job', ({ error }) => error !== undefined && errors.push(error));
  const summary = await reaper?.sweep();
  expect(summary).toMatchObject({ scanned: 0, suspended: { message: expect.stringContaining('READONLY') } });
  expect(errors).toEqual([]);
  expect(await readState(server.client)).toEqual(before);
  await server.client.call('REPLICAOF', 'NO', 'ONE');
  await reaper?.sweep();
  await expectMended(2);
});

test('no act is half done while Redis is out of memory (OOM), and the jobs are repaired later', async () => {
  await seedJobs(2);
  await seedPool();
  await server.client.config('SET', 'maxmemory-policy', 'noeviction');
  await server.client.config('SET', 'maxmemory', '1');
  create();
  const summary = await reaper?.sweep();
  const after = await readState(server.client);
  for (const name of ['hung', 'behind']) {
    for (const i of [0, 1]) {
      expect(after[`t:job_stats:${name}${i}`]).toMatchObject({ value: { status: 'Running' } });
      expect(after[`t:job_stats:${name}${i}`]?.ttl).toBeUndefined();
      expect(after['t:job_track:inprogress']?.value[`${name}${i}`]).toBe('2');
    }
  }
  expect(summary).toMatchObject({ scanned: 0, suspended: { message: expect.stringContaining('OOM') } });
  await server.client.config('SET', 'maxmemory', '0');
  await reaper?.sweep();
  await reaper?.rescue({ grace: 0 });
  await expectMended(2);
  expect(await server.client.llen('t:jobs:X')).toBe(5);
});

test('a sweep waits while Redis is busy with another script (BUSY)', async () => {
  await seedJobs(2);
  create();
  const blocked = server.client.duplicate();
  const loop = blocked.eval('while true do end', 0).catch((error: Error) => error.message);
  await vi.waitUntil(() =>
    server.client.ping().then(
      () => false,
      (error: Error) => error.message.startsWith('BUSY'),
    ),
  );
  const sweep = reaper?.sweep();
  const faults: string[] = [];
  reaper?.on('error', ({ message }) => void faults.push(message));
  await vi.waitUntil(() => faults.length > 0);
  expect(faults[0]).toContain('BUSY');
  await server.client.script('KILL');
  expect(await loop).toContain('killed');
  blocked.disconnect();
  expect((await sweep)?.scanned).toBe(12);
  await expectMended(2);
});

test('scripts are loaded again after SCRIPT FLUSH', async () => {
  await seedJobs(1);
  create();
  await reaper?.sweep({ plan: true });
  await server.client.script('FLUSH');
  await reaper?.sweep();
  await expectMended(1);
});

const stillOf = (state: State) =>
  Object.fromEntries(
    Object.entries(state).map(([key, { type, value }]) => {
      if (type !== 'hash') return [key, value];
      const { update_time: _, ...rest } = value;
      return [key, rest];
    }),
  );

for (const deliver of [true, false]) {
  test(`a connection that is cut at any step, ${deliver ? 'after' : 'before'} Redis got the command, leads to the same final state`, async () => {
    const proxy = await startProxy(server.port);
    const run = async (cutAfter: number): Promise<{ state: unknown; writes: number }> => {
      await server.client.flushall();
      hookEndpoint.hooks.length = 0;
      await seedJobs(1);
      await seedPool();
      const clock = createRunningClock();
      create({ redis: eager(proxy.port), sweep: { concurrency: 1 }, refireGrace: 0, clock });
      await reaper?.ping();
      const from = proxy.writes;
      if (cutAfter > 0) proxy.cutAfterWrites(cutAfter, deliver);
      await reaper?.sweep();
      await reaper?.rescue({ grace: 0 });
      const writes = proxy.writes - from;
      proxy.cutAfterWrites(Number.POSITIVE_INFINITY, true);
      // An act whose reply was lost is judged again. The next sweep does the rest. A hook whose claim got no reply is sent when
      // the claim has expired.
      clock.putAhead(120_000);
      await reaper?.sweep();
      await vi.waitUntil(async () => (await server.client.hget('t:job_stats:hung0', 'ack'))?.includes('Error'));
      await reaper?.sweep();
      // A rescue that was late judges no pool: on a machine that has much else to do, another one does.
      await vi.waitUntil(async () => {
        const { suspects, suspended } = (await reaper?.rescue({ grace: 0 })) ?? {};
        return suspects === 0 && suspended === undefined;
      });
      await reaper?.stop({ timeout: 0 });
      return { state: stillOf(await readState(server.client)), writes };
    };
    const undisturbed = await run(0);
    for (let cut = 1; cut <= undisturbed.writes; cut++) {
      expect((await run(cut)).state, `cut after ${cut} writes`).toEqual(undisturbed.state);
    }
    expect(undisturbed.writes).toBeGreaterThan(10);
    await expectMended(1);
    await proxy.stop();
  });
}
