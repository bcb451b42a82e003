import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { callCli, launchCli, watchCli } from '../support/cli.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { openPage } from '../support/inspector.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => server.client.flushall());

const secret = 'hunter2';

/** What a command has printed and logged, without the secret, and its exit code. */
const checked = async <T extends { readonly stdout: string; readonly stderr: string }>(ended: Promise<T>) => {
  const result = await ended;
  expect(`${result.stdout}${result.stderr}`).not.toContain(secret);
  return result;
};
const collect = (child: ChildProcess) => checked(watchCli(child).ended);
const call = (args: readonly string[]) => checked(callCli(args));
const here = () => ['--redis', server.url, '--namespace', '{t}'];
/** Runs the command on the Redis and namespace of the test. */
const reaper = (...args: string[]) => call([...args, ...here()]);
const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const seed = async () => {
  const t = Math.floor(Date.now() / 1_000) - 100_000;
  await server.client.hset('{t}:job_track:inprogress', { missing: 2, hung: 2, odd: 2 });
  const stats = { name: 'X', kind: 'Generic', status: 'Running', update_time: t, revision: t, enqueue_time: t };
  const url = `http://user:${secret}@127.0.0.1:1/hook?token=${secret}`;
  await server.client.hset('{t}:job_stats:hung', {
    ...stats,
    id: 'hung',
    web_hook_url: url,
    parameters: `{"p":"${secret}"}`,
  });
  await server.client.hset('{t}:job_stats:odd', { ...stats, id: 'odd', status: 'Weird' });
  await server.client.rpush(
    '{t}:jobs:X:dead1:inprogress',
    `{"name":"X","id":"held","t":${t},"args":{"p":"${secret}"}}`,
  );
  await server.client.set('{t}:jobs:X:lock', 3);
};

test('sweep --json prints a line per job and then a summary, and acts accordingly', async () => {
  await seed();
  const { code, stdout } = await reaper('sweep', '--json');
  expect(code).toBe(0);
  const all = lines(stdout);
  expect(
    all
      .slice(0, -1)
      .map(({ id, verdict, reason, outcome }) => `${id} ${verdict} ${reason} ${outcome}`)
      .sort(),
  ).toEqual(['hung fail hung done', 'missing untrack missing-stats done', 'odd keep malformed kept']);
  expect(all.at(-1)).toMatchObject({ type: 'summary', scanned: 3, hooks: { failed: 1 } });
  expect(await server.client.hget('{t}:job_stats:hung', 'status')).toBe('Error');
});

test('rescue on a Redis that refuses writes judges no pool, says what to do and ends with 1', async () => {
  await seed();
  await server.client.config('SET', 'maxmemory', '1');
  const { code, stdout } = await reaper('rescue', '--grace', '0');
  await server.client.config('SET', 'maxmemory', '0');
  expect([code, stdout]).toEqual([1, expect.stringContaining('rescue suspended: Redis has no memory left (OOM)')]);
  expect(await server.client.llen('{t}:jobs:X:dead1:inprogress')).toBe(1);
});

test('fault 119: sweep on a Redis that refuses writes reports that once, judges no job and ends with 1', async () => {
  await seed();
  await server.client.config('SET', 'maxmemory', '1');
  const { code, stdout, stderr } = await reaper('sweep');
  const plan = await reaper('sweep', '--plan');
  await server.client.config('SET', 'maxmemory', '0');
  expect([code, stdout]).toEqual([
    1,
    expect.stringContaining('the sweep was suspended: Redis has no memory left (OOM)'),
  ]);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect([plan.code, plan.stdout]).toEqual([0, expect.stringContaining('planned: 3 jobs')]);
  expect(await server.client.hget('{t}:job_stats:hung', 'status')).toBe('Running');
});

test('sweep --plan and rescue --plan print what would be done and change nothing', async () => {
  await seed();
  const plan = await reaper('sweep', '--plan', '--verbose');
  expect(plan.stdout).toMatch(/hung {2}X {2}Running {2}fail \(hung: .*\) {2}planned/);
  const rescue = await reaper('rescue', '--plan', '--grace', '0');
  expect(rescue.stdout).toContain('entries of dead pools that would be requeued: 1');
  expect(await server.client.hget('{t}:job_stats:hung', 'status')).toBe('Running');
  expect(await server.client.llen('{t}:jobs:X:dead1:inprogress')).toBe(1);
});

test('rescue requeues the entries of a dead pool, and rebuilds the lock', async () => {
  await seed();
  const { code, stdout } = await collect(launchCli(['rescue', '--grace', '0', '--json', ...here()]));
  expect(code).toBe(0);
  expect(lines(stdout)).toMatchObject([
    { type: 'pool', pool: 'dead1', outcome: 'rescued', moved: { X: 1 } },
    { type: 'summary', entries: 1 },
  ]);
  expect(await server.client.llen('{t}:jobs:X')).toBe(1);
  expect(await server.client.get('{t}:jobs:X:lock')).toBe('0');
});

test('status shows jobs, locks, lists and pools, and the other form of an empty namespace', async () => {
  await seed();
  const { stdout } = await reaper('status');
  expect(stdout).toContain('tracked: 3');
  expect(stdout).toMatch(/ ! X: lock 3, 1 in progress → reaper rescue/);
  expect(stdout).toMatch(/X +│ 0 +│ - +│ 0 +│ 3 +│ - /);
  expect(stdout).toMatch(/dead1 +│ dead/);
  const { stdout: json } = await reaper('status', '--json');
  expect(JSON.parse(json)).toMatchObject({
    tracked: { byVerdict: { fail: 1, untrack: 1, keep: 1 } },
    queues: [{ type: 'X', drift: 2 }],
  });
  const other = await call(['status', '--redis', server.url, '--namespace', 't']);
  expect(other.stdout).toContain('but {t} is not');
});

test('explain prints the rules that were applied, and where the job is held', async () => {
  await seed();
  const { stdout } = await reaper('explain', 'hung');
  expect(stdout).toMatch(/rule 4: .* fail: hung/);
  expect(stdout).toMatch(/searched: .*all queues; found: nowhere/);
  expect(stdout).toContain('a sweep would do: set it to Error');
  expect((await reaper('explain', 'held')).stdout).toContain('held by pool dead1 (dead) as X');
  const unknown = await reaper('explain', 'unknown');
  expect([unknown.code, unknown.stdout]).toEqual([4, expect.stringContaining('not tracked')]);
});

test('options can be set in the environment', async () => {
  const { code, stdout } = await collect(
    launchCli(['status', '--json'], { REAPER_REDIS: server.url, REAPER_NAMESPACE: '{t}', REAPER_JOB_TYPES: 'A,B' }),
  );
  expect(code).toBe(0);
  expect(JSON.parse(stdout).queues.map(({ type }: { type: string }) => type)).toEqual(['A', 'B']);
});

test.each([
  [['sweep'], 'No namespace'],
  [['sweep', '--nope'], 'unknown option'],
  [['sweep', '--namespace', 'n', '--exit-code'], '--exit-code: use it with --plan'],
  [['rescue', '--namespace', 'n', '--exit-code'], '--exit-code: use it with --plan'],
  [['nope'], 'unknown command'],
  [['explain', '--namespace', 'n'], 'missing required argument'],
  [
    ['status', '--namespace', 'n', '--redis', `http://:${secret}@h`],
    'reaper: --redis: the Redis URL has an unknown form',
  ],
  [['rescue', '--namespace', 'n', '--grace', 'soon'], 'must be a duration'],
])('wrong usage ends with 2 and a line that says what to do: %j', async (args, message) => {
  const { code, stderr } = await call(args);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});

test('an unreachable Redis ends a command with 1 and one clear line', async () => {
  const { code, stderr } = await call(['sweep', '--redis', `redis://:${secret}@127.0.0.1:1`, '--namespace', 'n']);
  expect(code).toBe(1);
  expect(stderr).toContain('Redis at 127.0.0.1:1/0 cannot be reached');
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s stops a running reaper gracefully', async (signal) => {
  const child = launchCli(['run', ...here()]);
  const result = collect(child);
  await once(child.stderr as NonNullable<typeof child.stderr>, 'data');
  child.kill(signal);
  const { code, stderr } = await result;
  expect(code).toBe(0);
  expect(stderr).toContain('Shutting down; press Ctrl-C again to force quit.');
});

test('a command that a signal interrupts ends with the code of that signal', async () => {
  await seed();
  const child = launchCli(['rescue', '--json', '--log-level', 'info', ...here()]);
  const result = collect(child);
  // It connects, finds the dead pool and waits for the end of its grace period.
  await vi.waitUntil(async () => Number(await server.client.get('{t}:jobs:X:lock')) === 1);
  child.kill('SIGTERM');
  expect((await result).code).toBe(143);
  expect(await server.client.llen('{t}:jobs:X:dead1:inprogress')).toBe(1);
});

test('a sweep completes although the reader of its output is gone', async () => {
  const lost = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`lost-${i}`, 2]));
  await server.client.hset('{t}:job_track:inprogress', lost);
  const child = launchCli(['sweep', '--json', ...here()]);
  child.stdout?.once('data', () => child.stdout?.destroy());
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  expect(await server.client.exists('{t}:job_track:inprogress')).toBe(0);
});

/** The URL that a command writes to stderr. */
const inspectorOf = async (child: ChildProcess): Promise<string> => {
  let text = '';
  child.stderr?.on('data', (chunk) => {
    text += chunk;
  });
  return vi.waitUntil(() => /inspector at (\S+)/.exec(text)?.[1]);
};

test('inspect shows what would be done, and changes nothing', async () => {
  await seed();
  const dump = async () => {
    const keys = (await server.client.keys('*')).sort();
    return Promise.all(keys.map(async (key) => [key, await server.client.dump(key)]));
  };
  const before = await dump();
  const child = launchCli(['inspect', '0', '--inspect-control', ...here()]);
  const result = collect(child);
  const page = await openPage(await inspectorOf(child));
  const state = await page.until(({ sweep }) => sweep.phase === 'ended' && sweep.scanned > 0);
  expect(state.about).toMatchObject({ isPlanOnly: true, mayControl: true, namespace: '{t}' });
  expect(state.sweep.plan).toBe(true);
  expect(state.sweep.outcomes.planned).toBeGreaterThan(0);
  expect((await page.ask({ type: 'rescue', plan: false })).error).toContain('only plans');
  child.kill('SIGTERM');
  expect((await result).code).toBe(0);
  expect(await dump()).toEqual(before);
});

test('run --inspect uses the token of the environment, and prints the URL once', async () => {
  await seed();
  const token = 'a token of this test';
  const child = launchCli(['run', '--inspect', '127.0.0.1:0', ...here()], { REAPER_INSPECT_TOKEN: token });
  const result = collect(child);
  const url = await inspectorOf(child);
  expect(new URL(url).searchParams.get('token')).toBe(token);
  const page = await openPage(url);
  expect((await page.until(() => true)).about).toMatchObject({ isPlanOnly: false, mayControl: false });
  child.kill('SIGTERM');
  const { code, stderr } = await result;
  expect(code).toBe(0);
  expect(stderr.split(url)).toHaveLength(2);
});

test.each([
  [['inspect', 'nowhere:port'], 'It must be HOST:PORT'],
  [['inspect', '1.2.3.4:99999'], 'It must be HOST:PORT'],
  [['inspect', 'user@1.2.3.4:99'], 'It must be HOST:PORT'],
  [['inspect', '1.2.3.4:99?x'], 'It must be HOST:PORT'],
  [['run', '--inspect', 'a/b', '--namespace', 'n'], 'It must be HOST:PORT'],
  [['inspect', '--inspect-token', 'short', '--namespace', 'n'], '16 characters'],
  [['inspect', '--inspect-stately', 'http://x', '--namespace', 'n'], 'ws:// or wss://'],
])('wrong options of the inspector end with 2: %j', async (args, message) => {
  const { code, stderr } = await call(args);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});

test('inspect ends with 1 if it cannot listen on its address', async () => {
  const { code, stderr } = await collect(launchCli(['inspect', '192.0.2.1:7331', ...here()]));
  expect(code).toBe(1);
  expect(stderr).toContain('cannot listen on 192.0.2.1');
});

describe('hooks', () => {
  const seedHooks = async () => {
    const { client } = server;
    const at = Math.floor(Date.now() / 1_000) - 600;
    for (const [id, path] of [
      ['a', 400],
      ['b', 400],
      ['c', 503],
    ] as const) {
      await client.hset(`{t}:job_stats:${id}`, {
        id,
        name: 'X',
        kind: 'Generic',
        status: 'Success',
        update_time: at,
        revision: at,
        web_hook_url: `${hookEndpoint.url}/${path}/${secret}`,
      });
      await client.hset('{t}:job_track:inprogress', id, 1);
    }
    await reaper('sweep');
  };
  let hookEndpoint: HookEndpoint;
  beforeAll(async () => {
    hookEndpoint = await startHookEndpoint();
  });
  afterAll(() => hookEndpoint.stop());
  beforeEach(() => {
    hookEndpoint.answer = undefined;
  });

  test('are listed by endpoint and reason, and each as a JSON line', async () => {
    expect((await reaper('hooks')).stdout).toBe('no undelivered hooks\n');
    await seedHooks();
    const { stdout } = await reaper('hooks');
    expect(stdout).toMatch(new RegExp(`${hookEndpoint.url} .*parked .*400 .* 2 `));
    expect(stdout).toMatch(new RegExp(`${hookEndpoint.url} .*pending .*503 .* 1 `));
    const { stdout: json } = await reaper('hooks', 'list', '--reason', '400', '--json');
    const records = lines(json).filter(({ type }) => type === 'hook');
    expect(records.map(({ id, state, answer }) => [id, state, answer]).sort()).toEqual([
      ['a', 'parked', '400'],
      ['b', 'parked', '400'],
    ]);
    const { stdout: status } = await reaper('status');
    expect(status).toContain('hooks: 1 pending, 2 parked');
    expect(status).toContain('final jobs whose last hook is parked: 2');
    expect((await reaper('explain', 'a')).stdout).toMatch(
      /hook: parked, Success of revision \d+ to .*, 1 attempts, 400/,
    );
  });

  test('are retried or dropped by id, endpoint or reason, and a plan only counts', async () => {
    await seedHooks();
    hookEndpoint.hooks.length = 0;
    hookEndpoint.answer = (_, response) => response.writeHead(200).end();
    expect((await reaper('hooks', 'retry', '--reason', '400', '--plan')).stdout).toBe('would be retried: 2\n');
    expect(hookEndpoint.hooks).toEqual([]);
    expect((await reaper('hooks', 'drop', '--id', 'b')).stdout).toBe('dropped: 1\n');
    const { stdout } = await reaper('hooks', 'retry', '--endpoint', hookEndpoint.url, '--reason', '400');
    expect(stdout).toBe('retried: 1\n');
    // c was due again in the meantime, and any host delivers.
    const ids = hookEndpoint.hooks.map(({ body }) => body.job_id);
    expect(ids).toContain('a');
    expect(ids).not.toContain('b');
  });

  test.each(['retry', 'drop'])('%s needs a filter or --all', async (verb) => {
    const { code, stderr } = await reaper('hooks', verb);
    expect(code).toBe(2);
    expect(stderr).toContain('--all');
  });
});

test.each([
  [['sweep', '--hooks-tls-ca-file', '/nowhere.pem', '--namespace', 'n'], 'cannot be read (ENOENT)'],
  [['sweep', '--hooks-tls-ca-file', new URL(import.meta.url).pathname, '--namespace', 'n'], 'must be a PEM text'],
  [['sweep', '--hooks-rewrite-origins', 'http://old-core', '--namespace', 'n'], 'must be NAME=VALUE'],
  [['sweep', '--hooks-allowed-origins', 'core', '--namespace', 'n'], 'must be an origin'],
])('wrong options of hooks end with 2: %j', async (args, message) => {
  const { code, stderr } = await call(args);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});

test('hooks of an endpoint that has moved are sent to its new origin', async () => {
  const hookEndpoint = await startHookEndpoint();
  const at = Math.floor(Date.now() / 1_000) - 600;
  const stats = {
    id: 'a',
    name: 'X',
    status: 'Success',
    update_time: at,
    revision: at,
    web_hook_url: 'http://old-core/200',
  };
  await server.client.hset('{t}:job_stats:a', stats);
  await server.client.hset('{t}:job_track:inprogress', 'a', 1);
  const { code } = await reaper('sweep', '--hooks-rewrite-origins', `http://old-core=${hookEndpoint.url}`);
  expect(code).toBe(0);
  expect(hookEndpoint.hooks.map(({ body }) => body.job_id)).toEqual(['a']);
  await hookEndpoint.stop();
});
