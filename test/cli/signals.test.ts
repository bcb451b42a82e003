/** Signals to a command that cannot end by itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { seedJob } from '../support/jobs.ts';
import { builtOf } from '../support/programs.ts';
import { startProxy } from '../support/proxy.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

const main = builtOf('src/cli/main.ts');
let server: RedisServer;
let hookEndpoint: HookEndpoint;
let child: ChildProcess | undefined;
let proxy: Awaited<ReturnType<typeof startProxy>> | undefined;
beforeAll(async () => {
  server = await startRedis();
  hookEndpoint = await startHookEndpoint();
});
beforeEach(() => server.client.flushall());
afterEach(async () => {
  hookEndpoint.answer = undefined;
  process.kill(server.pid, 'SIGCONT');
  child?.kill('SIGKILL');
  await proxy?.stop();
  proxy = undefined;
});
afterAll(async () => {
  await server.stop();
  await hookEndpoint.stop();
});

const launch = (...args: string[]) => {
  const url = proxy === undefined ? server.url : `redis://127.0.0.1:${proxy.port}`;
  const started = spawn(
    process.execPath,
    [main, ...args, '--redis', url, '--namespace', 't', '--log-level', 'silent'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  child = started;
  let text = '';
  started.stderr.on('data', (chunk) => {
    text += chunk;
  });
  const said = (what: string) => vi.waitUntil(() => text.includes(what));
  return { started, said, ended: once(started, 'close'), output: () => text };
};

// After the first signal the command waits at least 10 s for the hook, and ends with the code of that signal. The code shows which signal ended it.
test.each(['sweep', 'run'])('the second signal ends `%s` at once, even if a hook is in flight', async (command) => {
  await seedJob(server.client, 'a', { web_hook_url: `${hookEndpoint.url}/503/x`, status: 'Success' });
  // `run` finds the hook that a sweep could not deliver.
  if (command === 'run') await launch('sweep').ended;
  hookEndpoint.answer = () => undefined;
  const before = hookEndpoint.hooks.length;
  const { started, said, ended } = launch(command);
  await vi.waitUntil(() => hookEndpoint.hooks.length > before);
  started.kill('SIGINT');
  await said('SIGINT: ');
  started.kill('SIGTERM');
  expect(await ended).toEqual([143, null]);
});

test('fault 141: a command that a signal interrupts on a frozen Redis ends with the code of that signal', async () => {
  await server.client.rpush('t:jobs:X:dead:inprogress', 'entry');
  const { started, ended } = launch('rescue', '--grace', '1h');
  // It waits for the end of the grace period.
  await vi.waitUntil(async () => (await server.client.get('t:jobs:X:lock')) === '1');
  process.kill(server.pid, 'SIGSTOP');
  started.kill('SIGTERM');
  expect(await ended).toEqual([143, null]);
});

test('a signal ends `run` before its first checks are answered, and it never starts', async () => {
  proxy = await startProxy(server.port);
  const { reached, release } = proxy.holdAt(() => true);
  const { started, said, ended, output } = launch('run');
  await reached;
  started.kill('SIGTERM');
  await said('SIGTERM: ');
  release();
  expect(await ended).toEqual([0, null]);
  expect(output()).toBe('SIGTERM: Shutting down; press Ctrl-C again to force quit.\n');
  expect(await server.client.keys('*')).toEqual([]);
});
