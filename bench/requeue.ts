/** The speed of requeueing the entries of dead pools, compared with one entry a call, and the GETs of another client meanwhile. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { createReaper } from '../src/index.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { type GetTimes, getTimesDuring } from './otherClient.ts';
import { type Cost, costOf, key, median, namespace, type Report, redisCpu } from './support.ts';
import { buildUpstream } from './upstream.ts';

const entries = 100_000;
const type = 'IMAGE_SCAN';
const pools = Array.from({ length: 20 }, (_, i) => `p${i}`);
const turns = 5;
const oneByOne = `
  local entry = redis.call('RPOPLPUSH', KEYS[1], KEYS[2])
  if not entry then return nil end
  redis.call('DECR', KEYS[3])
  redis.call('HINCRBY', KEYS[4], ARGV[1], -1)
  return { entry, KEYS[1], KEYS[2] }`;

/** Dead pools that hold all entries. */
const hold = async (client: Redis, count = entries, padding = ''): Promise<void> => {
  await client.flushall();
  const args = `{"image":"library/nginx:1"${padding === '' ? '' : `,"padding":"${padding}"`}}`;
  const entry = (i: number) => `{"name":"${type}","id":"${i}","t":1700000000,"args":${args}}`;
  const share = count / pools.length;
  for (const [i, pool] of pools.entries()) {
    await client.rpush(
      key('jobs', type, pool, 'inprogress'),
      ...Array.from({ length: share }, (_, n) => entry(i * share + n)),
    );
    await client.hset(key('jobs', type, 'lock_info'), pool, share);
  }
  await client.set(key('jobs', type, 'lock'), count);
};

/** One entry a call, from Node. */
const requeueHere = async (client: Redis): Promise<number> => {
  const sha = (await client.script('LOAD', oneByOne)) as string;
  const began = performance.now();
  for (const pool of pools) {
    const keys = [key('jobs', type, pool, 'inprogress'), key('jobs', type), key('jobs', type, 'lock')];
    while ((await client.evalsha(sha, 4, ...keys, key('jobs', type, 'lock_info'), pool)) !== null);
  }
  return performance.now() - began;
};

const rescue = async (url: string, count = entries): Promise<number> => {
  const rescuer = createReaper({ redis: url, namespace, logger: false });
  await rescuer.ping();
  const began = performance.now();
  const summary = await rescuer.rescue({ grace: 0 });
  const ms = performance.now() - began;
  await rescuer.stop();
  assert.equal(summary.entries, count);
  return ms;
};

const medianCost = (costs: readonly Cost[]): Cost => {
  const of = (what: keyof Cost) => median(costs.map((cost) => cost[what]));
  return { ms: of('ms'), clientMs: of('clientMs'), redisMs: of('redisMs') };
};

export const benchRequeue = async (server: RedisServer, report: Report): Promise<void> => {
  const { client, url, port } = server;
  const { requeue: fromGo } = buildUpstream();
  const requeueOne = async (): Promise<Cost> => {
    if (fromGo === undefined) return costOf(client, () => requeueHere(client));
    const before = await redisCpu(client);
    const { us, cpuUs } = await fromGo(port, entries, type, pools);
    const redisMs = (await redisCpu(client)) - before;
    return { ms: (us * entries) / 1_000, clientMs: (cpuUs * entries) / 1_000, redisMs };
  };
  const [ours, theirs]: [Cost[], Cost[]] = [[], []];
  for (let turn = 0; turn < turns; turn++) {
    for (const [costs, requeue] of [
      [theirs, requeueOne],
      [ours, () => costOf(client, () => rescue(url))],
    ] as const) {
      await hold(client);
      costs.push(await requeue());
      assert.equal(await client.llen(key('jobs', type)), entries);
    }
  }
  const [first, ...warm] = ours as [Cost, ...Cost[]];
  const name = fromGo === undefined ? 'one entry a call from Node' : 'one entry a call from Go';
  const other = medianCost(theirs);
  const row = (what: string, { ms, clientMs, redisMs }: Cost) =>
    report(
      `requeue of 100,000 entries in 20 pools, ${what}`,
      `${ms.toFixed(0)} ms, ${name} ${other.ms.toFixed(0)} ms: ${(other.ms / ms).toFixed(1)} × as fast; processor time: client ${clientMs.toFixed(0)} and ${other.clientMs.toFixed(0)} ms, Redis ${redisMs.toFixed(0)} and ${other.redisMs.toFixed(0)} ms`,
      '≥ 20 ×',
      other.ms / ms >= 20,
    );
  row('first rescue of a process', first);
  row('the next ones', medianCost(warm));
  await benchOthers(server, report);
  for (const bytes of [400, 3_600, 20_000]) await benchScripts(server, report, bytes);
};

/** The longest script of a rescue, by SLOWLOG: its times include those in which other processes had the processor. */
const benchScripts = async ({ client, url }: RedisServer, report: Report, bytes: number): Promise<void> => {
  const count = 10_000;
  await hold(client, count, 'x'.repeat(bytes - 80));
  await client.config('SET', 'slowlog-log-slower-than', 0, 'slowlog-max-len', 100_000);
  await client.slowlog('RESET');
  await rescue(url, count);
  const log = (await client.slowlog('GET', -1)) as [number, number, number, string[]][];
  await client.config('SET', 'slowlog-log-slower-than', -1);
  // Those that move entries: the others of a rescue are shorter.
  const ms = log.filter(([, , , [name]]) => name?.toLowerCase() === 'evalsha').map(([, , us]) => us / 1_000);
  ms.sort((a, b) => a - b);
  const at = (share: number) => (ms[Math.ceil(ms.length * share) - 1] as number).toFixed(1);
  report(
    `longest script of a rescue, entries of ${bytes} bytes`,
    `${at(1)} ms, 99 % within ${at(0.99)}, median ${at(0.5)}`,
    '≤ 2 ms',
    Number(at(0.99)) <= 2,
  );
};

/** What a rescue leaves of Redis to others. */
const benchOthers = async ({ client, url, port }: RedisServer, report: Report): Promise<void> => {
  const [alone, meanwhile]: [GetTimes[], GetTimes[]] = [[], []];
  for (let turn = 0; turn < turns; turn++) {
    await hold(client);
    alone.push(await getTimesDuring(port, () => sleep(1_000)));
    meanwhile.push(await getTimesDuring(port, () => rescue(url)));
  }
  const of = (times: readonly GetTimes[], what: 'median' | 'p99') => median(times.map((one) => one[what])).toFixed(2);
  report(
    'GETs of another client during the requeue of 100,000 entries in 20 pools',
    `p99 ${of(meanwhile, 'p99')} ms, median ${of(meanwhile, 'median')} ms; without a rescue ${of(alone, 'p99')} and ${of(alone, 'median')} ms`,
  );
};
