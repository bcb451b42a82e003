/** The examples that embed a reaper, as processes: a Fastify server, a script that looks once, and a cron job. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { seedJob } from '../support/jobs.ts';
import { idsIn, seedPool } from '../support/pools.ts';
import { builtOf } from '../support/programs.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let endpoint: HookEndpoint;
let child: ChildProcess | undefined;
beforeAll(async () => {
  [server, endpoint] = await Promise.all([startRedis(), startHookEndpoint()]);
});
beforeEach(() => server.client.flushall());
afterEach(() => child?.kill('SIGKILL'));
afterAll(() => Promise.all([server.stop(), endpoint.stop()]));

/** Starts an example, and collects its output. */
const start = (example: string, args: readonly string[] = [], env: Record<string, string> = {}) => {
  child = spawn(process.execPath, [builtOf(`examples/${example}.ts`), ...args], {
    env: { ...process.env, REAPER_REDIS: server.url, REAPER_NAMESPACE: 't', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (text) => {
      output[name] += text;
    });
  }
  return { output, ended: once(child, 'close').then(([code]) => ({ ...output, code: code as number | null })) };
};
/** The status and text of an answer, without keeping the connection. */
const ask = (url: string) =>
  new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    get(url, { agent: new Agent({ keepAlive: false }) }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, text });
    }).once('error', reject);
  });
const seedTrouble = async () => {
  await seedJob(server.client, 'unconfirmed', { status: 'Success', web_hook_url: `${endpoint.url}/200/unconfirmed` });
  await seedPool(server.client, 'gone', { heartbeat: 1, holds: new Map([['X', ['held']]]) });
};

test('the Fastify host answers probes and metrics, serves the inspector, logs, and ends at SIGTERM', async () => {
  const { output, ended } = start('fastify-host', [], { PORT: '0' });
  await vi.waitUntil(() => output.stderr.includes('inspector: '));
  const url = /inspector: (\S+)/.exec(output.stderr)?.[1] ?? '';
  const { origin } = new URL(url);
  await vi.waitUntil(async () => (await ask(`${origin}/readyz`)).status === 200);
  expect((await ask(`${origin}/livez`)).status).toBe(200);
  expect((await ask(`${origin}/metrics`)).text).toContain('\nprocess_cpu_seconds_total ');
  expect((await ask(`${origin}/inspector/`)).status).toBe(401);
  expect((await ask(url)).status).toBe(303);
  child?.kill('SIGTERM');
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  expect(stdout).toContain('Server listening at');
  expect(stdout).not.toContain(new URL(url).searchParams.get('token'));
});

test('the one-shot script says what a sweep would do and why a job does not run, and changes nothing', async () => {
  await seedTrouble();
  const { code, stdout, stderr } = await start('one-shot', ['unconfirmed']).ended;
  expect([code, stderr]).toEqual([3, '']);
  expect(stdout).toContain('1 jobs are tracked { refire: 1 } { unacknowledged: 1 }');
  expect(stdout).toMatch(/^unconfirmed: refire \(unacknowledged\), .+$/m);
  expect(endpoint.hooks).toEqual([]);
  expect(await server.client.sismember('t:worker_pools', 'gone')).toBe(1);
});

test('the cron job requeues the entry of a dead pool and sends the missing hook', async () => {
  await seedTrouble();
  const { code, stdout } = await start('cron-job').ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ entries: 1, verdicts: { refire: 1 }, outcomes: { enqueued: 1 } });
  expect(await idsIn(server.client, 't:jobs:X')).toEqual(['held']);
  expect(endpoint.hooks.map(({ body }) => body.job_id)).toEqual(['unconfirmed']);
});

test('the cron job ends with 1 and the code of the error if Redis is away, and with 2 without a namespace', async () => {
  const { code, stderr } = await start('cron-job', [], { REAPER_REDIS: 'redis://127.0.0.1:1' }).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^redis-unreachable: .+$/m);
  const unset = await start('cron-job', [], { REAPER_NAMESPACE: '' }).ended;
  expect([unset.code, unset.stderr]).toEqual([2, 'REAPER_NAMESPACE is not set\n']);
});
