/** The example worker host as a process: how it treats an entry, depending on the status of its job. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { isCallOf, second, seedJob } from '../support/jobs.ts';
import { builtOf } from '../support/programs.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let redis: Redis;
const processes = new Set<ChildProcess>();
const proxies = new Set<Server>();
beforeAll(async () => {
  server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always');
  redis = server.client;
});
beforeEach(() => redis.flushall());
afterEach(() => {
  for (const child of processes) child.kill('SIGKILL');
  for (const proxy of proxies) proxy.close();
  processes.clear();
  proxies.clear();
});
afterAll(() => server.stop());

type Report = { readonly event: string; readonly id: string };
const startHost = (env: Record<string, string> = {}) => {
  const child = fork(builtOf('examples/worker-host.ts'), {
    execArgv: [],
    env: {
      ...process.env,
      REAPER_REDIS: server.url,
      REAPER_NAMESPACE: 't',
      WORKER_POOL: 'p',
      WORKER_TYPES: 'X',
      WORKER_HEARTBEAT_MS: '200',
      ...env,
    },
    silent: true,
  });
  processes.add(child);
  const reports: Report[] = [];
  let errors = '';
  child.on('message', (message) => reports.push(message as Report));
  child.stderr?.on('data', (text) => {
    errors += text;
  });
  return {
    child,
    errors: () => errors,
    ids: (event: string) => reports.filter((message) => message.event === event).map(({ id }) => id),
    until: (event: string, id: string) =>
      vi.waitUntil(() => reports.some((message) => message.event === event && message.id === id)),
  };
};
const enqueue = (id: string, args: Record<string, unknown> = {}) =>
  redis.lpush('t:jobs:X', JSON.stringify({ name: 'X', id, t: second(), args }));
const held = () => redis.lrange('t:jobs:X:p:inprogress', 0, -1);
const statusOf = (id: string) => redis.hget(`t:job_stats:${id}`, 'status');
const isAtRest = async () =>
  (await redis.exists('t:jobs:X', 't:jobs:X:p:inprogress', 't:worker:p-w1')) === 0 &&
  Number(await redis.get('t:jobs:X:lock')) === 0 &&
  Number(await redis.hget('t:jobs:X:lock_info', 'p')) === 0;

const isBeginOfAttempt = (chunk: string) =>
  (chunk.match(/[0-9a-f]{40}/g) ?? []).some((digest) => isCallOf('begin_attempt', [digest]));

/** A proxy to Redis that calls `before` when it gets such a chunk, before it passes the chunk on. */
const startProxy = async (isMeant: (chunk: string) => boolean, before: () => Promise<unknown>): Promise<string> => {
  const proxy = createServer((client) => {
    const upstream = connect(server.port, '127.0.0.1');
    let last: Promise<unknown> = Promise.resolve();
    client.on('data', (chunk) => {
      const act = isMeant(String(chunk)) ? before : async () => undefined;
      last = last.then(act).then(() => upstream.write(chunk));
    });
    upstream.pipe(client);
    for (const socket of [client, upstream]) {
      socket
        .on('error', () => undefined)
        .on('close', () => {
          client.destroy();
          upstream.destroy();
        });
    }
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  proxies.add(proxy);
  return `redis://127.0.0.1:${(proxy.address() as { port: number }).port}`;
};

test('fault 134: a job in Stopped or Success is not run, and a job in Running or Error starts a new attempt', async () => {
  const revisions: Record<string, number> = {};
  for (const status of ['Pending', 'Scheduled', 'Running', 'Error', 'Stopped', 'Success']) {
    revisions[status] = await seedJob(redis, status, { status });
    await enqueue(status, { ms: 1 });
  }
  const epoch = second();
  await seedJob(redis, `policy@${epoch}`, { status: 'Stopped' });
  await enqueue('policy', { _job_kind_periodic_: String(epoch) });
  await enqueue('plain', { ms: 1 });
  const host = startHost();
  await host.until('finished', 'plain');
  await vi.waitUntil(isAtRest);
  expect(host.ids('running')).toEqual(['Pending', 'Scheduled', 'Running', 'Error', 'plain']);
  expect(host.ids('finished')).toEqual(['Pending', 'Scheduled', 'Running', 'Error', 'plain']);
  expect(host.ids('skipped')).toEqual(['Stopped', 'Success', `policy@${epoch}`]);
  for (const status of ['Pending', 'Scheduled', 'Running', 'Error', 'Success']) {
    expect([status, await statusOf(status)]).toEqual([status, 'Success']);
  }
  expect([await statusOf('Stopped'), await statusOf(`policy@${epoch}`)]).toEqual(['Stopped', 'Stopped']);
  for (const [status, revision] of Object.entries(revisions)) {
    const isNew = Number(await redis.hget(`t:job_stats:${status}`, 'revision')) > revision;
    expect([status, isNew]).toEqual([status, status === 'Running' || status === 'Error']);
  }
  expect(await redis.exists('t:job_stats:plain')).toBe(0);
});

test('fault 134: a job that is stopped after it was loaded and before it begins is not run', async () => {
  await seedJob(redis, 'a', { status: 'Pending' });
  await enqueue('a');
  // The host is about to write the status Running.
  const url = await startProxy(isBeginOfAttempt, () => redis.hset('t:job_stats:a', 'status', 'Stopped'));
  const host = startHost({ REAPER_REDIS: url, REAPER_ROLE: 'never' });
  await host.until('skipped', 'a');
  await vi.waitUntil(isAtRest);
  expect([host.ids('running'), await statusOf('a')]).toEqual([[], 'Stopped']);
});

test('an entry that was requeued after the host has fetched it is not run, and its status stays', async () => {
  for (const id of ['a', 'b']) await seedJob(redis, id, { status: 'Pending' });
  await enqueue('a');
  await enqueue('b');
  // The host is about to check that it still holds an entry.
  const url = await startProxy(
    (chunk) => chunk.includes('LPOS'),
    async () => {
      if ((await redis.exists('t:elsewhere')) === 0) await redis.rpoplpush('t:jobs:X:p:inprogress', 't:elsewhere');
    },
  );
  const host = startHost({ REAPER_REDIS: url, REAPER_ROLE: 'never' });
  await host.until('finished', 'b');
  expect([host.ids('running'), host.ids('finished'), await statusOf('a')]).toEqual([['b'], ['b'], 'Pending']);
  expect(await redis.lrange('t:elsewhere', 0, -1)).toEqual([expect.stringContaining('"a"')]);
});

test('fault 134: the embedded reaper takes the lease and runs rescues, unless its role is never', async () => {
  const bystander = startHost({ REAPER_ROLE: 'never', WORKER_POOL: 'bystander' });
  await vi.waitUntil(() => redis.sismember('t:worker_pools', 'bystander'));
  await enqueue('a');
  await bystander.until('finished', 'a');
  expect(await redis.exists('t:reaper:lease')).toBe(0);
  startHost();
  await vi.waitUntil(async () => (await redis.hget('t:reaper:lease', 'holder')) !== null);
  await vi.waitUntil(async () => (await redis.hget('t:reaper:progress', 'rescue_ended')) !== null);
});

test('a job that ends during an outage of Redis is finished when Redis is back', async () => {
  await seedJob(redis, 'a', { status: 'Pending' });
  await enqueue('a', { ms: 300 });
  const host = startHost({ REAPER_ROLE: 'never' });
  await host.until('running', 'a');
  await server.kill();
  // The work has ended by the time that a heartbeat fails.
  await vi.waitUntil(() => host.errors().includes('heartbeat: '));
  expect(host.ids('finished')).toEqual([]);
  await server.restart();
  await host.until('finished', 'a');
  await vi.waitUntil(isAtRest);
  expect(await statusOf('a')).toBe('Success');
  expect(host.child.exitCode).toBe(null);
});

test('an unreadable entry is left in place, and the host goes on', async () => {
  await redis.lpush('t:jobs:X', 'no JSON');
  await enqueue('a');
  const host = startHost({ REAPER_ROLE: 'never' });
  await host.until('finished', 'a');
  expect(await held()).toEqual(['no JSON']);
  expect(host.errors()).toContain('cannot be read');
});

test('SIGTERM finishes the running job and deregisters the pool; a second signal ends the host at once', async () => {
  for (const id of ['a', 'b']) await seedJob(redis, id, { status: 'Pending' });
  await enqueue('a', { ms: 300 });
  const host = startHost();
  await host.until('running', 'a');
  host.child.kill('SIGTERM');
  expect(await once(host.child, 'exit')).toEqual([0, null]);
  expect([await statusOf('a'), await isAtRest(), await redis.exists('t:worker_pools')]).toEqual(['Success', true, 0]);

  await enqueue('b', { ms: 3_600_000 });
  const other = startHost();
  await other.until('running', 'b');
  other.child.kill('SIGTERM');
  other.child.kill('SIGINT');
  expect(await once(other.child, 'exit')).toEqual([1, null]);
  expect([await held(), await statusOf('b')]).toEqual([[expect.stringContaining('"b"')], 'Running']);
});

test.each(['1e3', '0x10', '', '0', '99999999999', '-5'])('a heartbeat of %j ms is refused', async (ms) => {
  const host = startHost({ WORKER_HEARTBEAT_MS: ms });
  expect(await once(host.child, 'exit')).toEqual([1, null]);
  expect(host.errors()).toContain('WORKER_HEARTBEAT_MS must be a whole number of ms');
});
