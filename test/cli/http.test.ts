/** `reaper run --http`: probes and metrics of the command. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { callCli, launchCli, runCli, watchCli } from '../support/cli.ts';
import { freePort, type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const base = (): string[] => ['--redis', server.url, '--namespace', 't', '--rescue-initial-delay', '0'];

/** Runs the command until the test has read its pages, then ends it as an operator does. */
const whileRunning = async (args: string[], env: Record<string, string>, read: (url: string) => Promise<unknown>) => {
  const child = launchCli(['run', ...base(), ...args], env);
  const { output, ended } = watchCli(child);
  try {
    await vi.waitUntil(() => output.stderr.includes('reaper: started'));
    await read(/"url":"([^"]+)"/.exec(output.stderr)?.[1] ?? '');
  } finally {
    child.kill('SIGTERM');
  }
  return (await ended).code;
};

test('run --http serves probes and metrics on loopback until it is stopped', async () => {
  const port = await freePort();
  const code = await whileRunning(['--http', String(port)], {}, async (url) => {
    expect(url).toBe(`http://127.0.0.1:${port}`);
    await vi.waitUntil(async () => (await fetch(`${url}/readyz`)).status === 200);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('jobservice_reaper_leader 1');
  });
  expect(code).toBe(0);
});

test('a host is taken from the flag, and a port from the environment', async () => {
  await whileRunning(['--http', '127.0.0.3:0'], {}, async (url) => {
    expect(new URL(url).hostname).toBe('127.0.0.3');
  });
  const port = String(await freePort());
  await whileRunning([], { REAPER_HTTP_PORT: port }, async (url) => {
    expect(url).toBe(`http://127.0.0.1:${port}`);
  });
});

test('a port that is in use ends run with 1; other commands open none', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const run = await runCli(['run', ...base(), '--http', `127.0.0.1:${port}`]);
  expect([run.code, run.stderr]).toEqual([1, expect.stringContaining(`port ${port} of 127.0.0.1 is in use`)]);
  const sweep = await callCli(['sweep', '--redis', server.url, '--namespace', 't'], { REAPER_HTTP_PORT: String(port) });
  expect([sweep.code, sweep.stderr]).toEqual([0, '']);
  taken.close();
});
