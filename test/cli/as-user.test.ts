/** The commands as the Redis user of docs/rights.md, which has only the rights that the reaper needs. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { aclRules } from '../../src/io/redis/rights.ts';
import { callCli } from '../support/cli.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { second } from '../support/jobs.ts';
import { hasFineRights, type RedisServer, redisVersion, startRedis } from '../support/redisServer.ts';

const database = 2;
const secret = 'hunter2';
let server: RedisServer;
let hookEndpoint: HookEndpoint;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  hookEndpoint = await startHookEndpoint();
  redis = new Redis({ port: server.port, db: database });
});
afterAll(async () => {
  redis.disconnect();
  await hookEndpoint.stop();
  await server.stop();
});

/** Runs a command, and checks that Redis refused nothing. */
const reaper = async (...args: string[]) => {
  const url = `redis://reaper:${secret}@127.0.0.1:${server.port}/${database}`;
  const result = await callCli([...args, '--redis', url, '--namespace', '{t}']);
  expect(`${result.stdout}${result.stderr}`).not.toContain(secret);
  expect(await redis.call('ACL', 'LOG')).toEqual([]);
  return result;
};
const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const track = async (id: string, fields: Record<string, string | number>) => {
  const at = second(-100_000);
  const stats = { id, name: 'X', kind: 'Generic', status: 'Running', update_time: at, revision: at, enqueue_time: at };
  await redis.hset(`{t}:job_stats:${id}`, { ...stats, ...fields });
  await redis.hset('{t}:job_track:inprogress', id, 2);
};

/** A hung job, one with an undelivered hook, one without stats, and a dead pool that holds an entry. */
beforeEach(async () => {
  await redis.flushall();
  hookEndpoint.hooks.length = 0;
  hookEndpoint.answer = undefined;
  // Redis before 7.0 logs a subcommand that it does not know as a refusal of CLIENT.
  const client = hasFineRights ? [] : ['+client'];
  await redis.acl('SETUSER', 'reaper', 'reset', 'on', `>${secret}`, ...aclRules('{t}', redisVersion), ...client);
  await redis.call('ACL', 'LOG', 'RESET');
  await track('hung', { web_hook_url: `${hookEndpoint.url}/200/hung` });
  await track('untold', { status: 'Success', web_hook_url: `${hookEndpoint.url}/400/untold` });
  await redis.hset('{t}:job_track:inprogress', 'missing', 2);
  await redis.rpush('{t}:jobs:X:dead1:inprogress', '{"name":"X","id":"held","t":1,"args":{}}');
  await redis.set('{t}:jobs:X:lock', 3);
});

test('status, explain, hooks and quarantine', async () => {
  const status = await reaper('status', '--json');
  expect(status.code).toBe(3);
  expect(JSON.parse(status.stdout)).toMatchObject({ tracked: { total: 3 }, queues: [{ type: 'X', drift: 2 }] });
  for (const [code, ...args] of [
    [3, 'status'],
    [0, 'explain', 'hung'],
    [0, 'hooks'],
    [0, 'quarantine'],
  ] as const) {
    expect([(await reaper(...args)).code, ...args]).toEqual([code, ...args]);
  }
});

test('status on an empty namespace, without the right to read its other form', async () => {
  await redis.flushdb();
  const url = `redis://reaper:${secret}@127.0.0.1:${server.port}/${database}`;
  const { code, stdout } = await callCli(['status', '--redis', url, '--namespace', '{t}']);
  expect([code, stdout]).toEqual([0, expect.stringContaining('tracked: 0')]);
});

test('sweep with all of its acts', async () => {
  const { code, stdout } = await reaper('sweep', '--json');
  expect(code).toBe(0);
  const done = lines(stdout).flatMap(({ id, verdict, outcome }) =>
    id === undefined ? [] : [`${id} ${verdict} ${outcome}`],
  );
  expect(done.sort()).toEqual(['hung fail done', 'missing untrack done', 'untold refire enqueued']);
  expect(await redis.hget('{t}:job_stats:hung', 'status')).toBe('Error');
  expect(hookEndpoint.hooks.map(({ path }) => path).sort()).toEqual(['/200/hung', '/400/untold']);
});

test('rescue with all of its steps', async () => {
  const { code, stdout } = await reaper('rescue', '--grace', '0', '--json');
  expect(code).toBe(0);
  expect(lines(stdout).at(-1)).toMatchObject({ type: 'summary', entries: 1 });
  expect([await redis.llen('{t}:jobs:X'), await redis.get('{t}:jobs:X:lock')]).toEqual([1, '0']);
});

test('a sweep with an act that failed ends with 1', async () => {
  await redis.set('{t}:reaper:hooks', 'what no hook can be written to');
  const { code, stdout } = await reaper('sweep', '--json');
  expect(code).toBe(1);
  const outcome = lines(stdout).find(({ id }) => id === 'hung');
  expect(outcome).toMatchObject({ verdict: 'fail', outcome: 'abandoned' });
});

test('hooks retry ends when all hooks are sent and confirmed', async () => {
  // More than are sent at the same time to one endpoint.
  const ids = Array.from({ length: 40 }, (_, i) => `untold-${i}`);
  for (const id of ids) await track(id, { status: 'Success', web_hook_url: `${hookEndpoint.url}/400/${id}` });
  await reaper('sweep');
  // Slower than they are moved: hooks that wait for a slot would stay if the command did not wait for them.
  hookEndpoint.answer = (_, response) => void setTimeout(() => response.writeHead(200).end(), 200);
  const { code, stdout } = await reaper('hooks', 'retry', '--reason', '400');
  expect([code, stdout]).toEqual([0, 'retried: 41\n']);
  const acks = await Promise.all([...ids, 'untold'].map((id) => redis.hexists(`{t}:job_stats:${id}`, 'ack')));
  expect(acks.filter((ack) => ack === 1)).toHaveLength(41);
});
