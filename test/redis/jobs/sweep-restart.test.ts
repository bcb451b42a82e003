/** Fault 139: a sweep that meets another process of Redis judges every job that was tracked throughout. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectTo, createServer, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Reaper, ReaperOptions } from '../../../src/index.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { createTrackedJobs } from '../../../src/io/jobs/trackedJobs.ts';
import { connect } from '../../../src/io/redis/connection.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { ackText, second } from '../../support/jobs.ts';
import { trackOpened } from '../../support/reapers.ts';
import { type RedisServer, startRedis } from '../../support/redisServer.ts';

const opened = trackOpened();
afterEach(() => opened.close());

const jobs = 6_000;
const track = 't:job_track:inprogress';
/** On disk at every write: what is killed comes back whole. */
const aof = ['--appendonly', 'yes', '--appendfsync', 'always'];

const start = async (...args: string[]): Promise<RedisServer> => {
  const server = await startRedis(...args);
  onTestFinished(() => server.stop());
  return server;
};
const seed = async ({ client }: RedisServer) => {
  const at = second(-600);
  const pipeline = client.pipeline();
  for (let i = 0; i < jobs; i++) {
    const id = `job-${i}`;
    pipeline.hset(track, id, 2);
    pipeline.hset(`t:job_stats:${id}`, { id, status: 'Running', update_time: at, ack: ackText('Running', 0) });
  }
  await pipeline.exec();
};

/** One sweep; `act` is called once as many jobs have been judged. Says which were, and how often. */
const sweepWith = async (options: Partial<ReaperOptions>, after: number, act: (reaper: Reaper) => unknown) => {
  const reaper = opened.create({ sweep: { pageSize: 500 }, ...options } as ReaperOptions);
  const judged = new Map<string, number>();
  let count = 0;
  reaper.on('job', ({ id }) => {
    judged.set(id, (judged.get(id) ?? 0) + 1);
    if (++count === after) act(reaper);
  });
  const summary = await reaper.sweep();
  return { judged, summary };
};
const restart = async (server: RedisServer) => {
  await server.kill();
  await server.restart();
};
const expectAll = ({ judged, summary }: Awaited<ReturnType<typeof sweepWith>>) => {
  expect(judged.size).toBe(jobs);
  expect(Math.max(...judged.values())).toBe(1);
  expect(summary).toMatchObject({ scanned: jobs });
};

test.each([1, 500, 2_300, 4_999])('fault 139: restarted after %i jobs, on its own connection', async (after) => {
  const server = await start(...aof);
  await seed(server);
  expectAll(await sweepWith({ redis: server.url }, after, () => void restart(server)));
});

test('fault 139: away until a page could not be read, on its own connection', async () => {
  const server = await start(...aof);
  await seed(server);
  let isAway = false;
  // What fails because of an outage that is reported already is logged only.
  const see = (what: { where?: string }) => {
    if (what.where !== 'reading a page' || !isAway) return;
    isAway = false;
    void server.restart();
  };
  const logger = { debug: see, info: see, warn: see, error: see } as unknown as NonNullable<ReaperOptions['logger']>;
  const result = await sweepWith({ redis: server.url, logger }, 1_500, () => {
    isAway = true;
    void server.kill();
  });
  expectAll(result);
});

test.each([1, 1_200, 3_700])("fault 139: restarted after %i jobs, on a caller's live client", async (after) => {
  const server = await start(...aof);
  await seed(server);
  const client = opened.hold(new Redis({ port: server.port, retryStrategy: () => 20, maxRetriesPerRequest: null }));
  client.on('error', () => undefined);
  await client.ping();
  expectAll(await sweepWith({ redis: client }, after, () => void restart(server)));
});

test('fault 139: restarted, and asked by a user who may not use INFO', async () => {
  const server = await start(...aof, '--user', 'some', 'on', '>pass', '~*', '+@all', '-info');
  await seed(server);
  const url = `redis://some:pass@127.0.0.1:${server.port}`;
  expectAll(await sweepWith({ redis: url }, 1_300, () => void restart(server)));
  const client = opened.hold(new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null }));
  client.on('error', () => undefined);
  await client.ping();
  expectAll(await sweepWith({ redis: client }, 1_300, () => void restart(server)));
});

/** One address whose connections lead to whichever server is the master now. */
const startSwitch = async (first: number) => {
  let target = first;
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const upstream = connectTo(target, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (chunk) => void to.write(chunk));
      from.on('close', () => to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => void proxy.close());
  return {
    url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    lead(port: number) {
      target = port;
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
  };
};

test('fault 139: another master answers under the same address, its connection cut with an answer on the way', async () => {
  const [master, replica] = [await start(), await start('--repl-diskless-sync-delay', '0')];
  await seed(master);
  await replica.client.replicaof('127.0.0.1', master.port);
  await vi.waitUntil(async () => (await replica.client.hlen(track)) === jobs);
  await replica.client.replicaof('NO', 'ONE');
  const line = await startSwitch(master.port);
  expectAll(await sweepWith({ redis: line.url }, 1_700, () => line.lead(replica.port)));
});

test('fault 139: what a successor goes on from is of the process that gave the cursor, or it begins again', async () => {
  const server = await start(...aof);
  await seed(server);
  const connection = connect(server.url, () => undefined);
  onTestFinished(() => connection.close());
  const tracked = createTrackedJobs({
    connection,
    keys: keysOf('t'),
    scripts: createScripts(connection.redis),
    pace: noPace,
    pageSize: 500,
    random: Math.random,
  });
  const read = async (from?: Parameters<typeof tracked.open>[0], most = Number.POSITIVE_INFINITY) => {
    const reader = tracked.open(from);
    const ids = new Set<string>();
    let last = await reader.next();
    for (const { facts } of last.jobs) ids.add(facts.id);
    for (let pages = 1; !last.isLast && pages < most; pages++) {
      last = await reader.next();
      for (const { facts } of last.jobs) ids.add(facts.id);
    }
    return { ids, from: last.from };
  };
  const first = await read(undefined, 6);
  expect(first.from).toMatchObject({
    cursor: expect.not.stringMatching(/^0$/),
    runId: expect.stringMatching(/^\w{40}$/),
  });
  const rest = await read(first.from);
  expect(new Set([...first.ids, ...rest.ids]).size).toBe(jobs);
  expect(rest.ids.size).toBeLessThan(jobs);
  await restart(server);
  expect((await read(first.from)).ids.size).toBe(jobs);
});
