/** Fault 143: every number that is accepted works at its largest; no timer, time or size of anything overflows. */
import { Redis } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import * as z from 'zod';
import { createReaper, OptionsError, type Reaper, type ReaperOptions } from '../../src/index.ts';
import { longestTimer } from '../../src/io/clock.ts';
import { describeOptions } from '../../src/options/describe.ts';
import { optionsSchema } from '../../src/options/schema.ts';
import { longestSpan } from '../../src/options/values.ts';
import { callCli, launchCli, watchCli } from '../support/cli.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { second, seedJob } from '../support/jobs.ts';

const { server, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();

interface Shape {
  readonly type?: string;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly anyOf?: readonly Shape[];
}
/** The path of each number of the options, and the largest that is accepted. */
const numbersIn = ({ type, maximum, properties = {}, anyOf = [] }: Shape, path = ''): [string, number | undefined][] =>
  type === 'integer' || type === 'number'
    ? [[path, maximum]]
    : [
        ...Object.entries(properties).flatMap(([name, inner]) =>
          numbersIn(inner, path === '' ? name : `${path}.${name}`),
        ),
        ...anyOf.flatMap((inner) => numbersIn(inner, path)),
      ];
const shape = z.toJSONSchema(optionsSchema, { unrepresentable: 'any', io: 'input' }) as Shape;
const numbers = [
  ...numbersIn(shape),
  // Their schemas are functions, which say nothing of their shape.
  ['hungAfterByType.X', longestSpan],
  ['runTimeLimitByType.X', longestSpan],
] as [string, number][];

const optionOf = (path: string, value: unknown): object =>
  path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;
const merge = (a: Record<string, unknown>, b: Record<string, unknown>): Record<string, unknown> => {
  const merged = { ...a };
  for (const [name, value] of Object.entries(b)) {
    const before = merged[name];
    const areObjects = typeof before === 'object' && typeof value === 'object' && name !== 'redis';
    merged[name] = areObjects ? merge(before as Record<string, unknown>, value as Record<string, unknown>) : value;
  }
  return merged;
};
const atMost = (numbers: readonly (readonly [string, number])[]) =>
  numbers.reduce<Record<string, unknown>>((all, [path, most]) => merge(all, { ...optionOf(path, most) }), {});

/** What Node says where a timer is longer than there is: it fires at once then. */
const watchWarnings = () => {
  const warnings: string[] = [];
  const note = ({ name, message }: Error) => void warnings.push(`${name}: ${message}`);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  return warnings;
};

const seedAll = async () => {
  const { client } = server;
  await seedJob(client, 'delivered', { web_hook_url: `${hookEndpoint.url}/200/x` });
  await seedJob(client, 'failing', { web_hook_url: `${hookEndpoint.url}/503/x` });
  const entry = JSON.stringify({ name: 'X', id: 'held', t: second() });
  await client.lpush('t:jobs:X:gone:inprogress', entry);
  await client.sadd('t:known_jobs', 'X');
  await client.sadd('t:worker_pools', 'gone');
  await client.set('t:jobs:X:lock', 1);
  await client.hset('t:jobs:X:lock_info', 'gone', 1);
};

/** All that a reaper does, once. */
const useAll = async (reaper: Reaper) => {
  const faults: unknown[] = [];
  reaper.on('error', (fault) => void faults.push(fault));
  reaper.start();
  expect((await reaper.doctor()).checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(await reaper.sweep()).toMatchObject({ scanned: 2 });
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1, pools: { rescued: 1, abandoned: 0 } });
  expect(await server.client.llen('t:jobs:X')).toBe(1);
  const most = Number.MAX_SAFE_INTEGER;
  const job = await reaper.lifecycle.save({
    ...{ id: 'new', name: 'X', webHookUrl: `${hookEndpoint.url}/200/x` },
    ...{ enqueueTime: most, runAt: most, dieAt: most, numericPolicyId: most },
  });
  expect([await job.run(), await job.checkIn('half'), await job.succeed()]).toEqual(Array(3).fill({ outcome: 'done' }));
  await reaper.hooks.quiet();
  // The hook that fails is attempted again meanwhile, if the host is slow.
  const last = hookEndpoint.hooks.findLast(({ body }) => body.job_id === 'new');
  expect(last?.body).toMatchObject({ job_id: 'new', status: 'Success' });
  expect(await reaper.status()).toMatchObject({ queues: [{ type: 'X', queued: 1 }], unreadable: [] });
  expect(await reaper.explain('new')).toMatchObject({ id: 'new', facts: { enqueueTime: most } });
  expect(reaper.health()).toMatchObject({ ok: true, detail: 'all passes are on time' });
  await reaper.stop({ timeout: longestTimer });
  return faults;
};

test('fault 143: every number among the options has a maximum, and a larger one is refused by name', () => {
  expect(numbers.length).toBeGreaterThan(30);
  for (const [path, most] of numbers) {
    expect(most, path).toBeGreaterThan(0);
    const more = path === 'sweep.jitter' ? 1.01 : most + 1;
    const options = { redis: server.url, namespace: 't', logger: false, ...optionOf(path, more) } as ReaperOptions;
    expect(() => createReaper(options), path).toThrow(path);
    expect(() => createReaper(options), path).toThrow(OptionsError);
  }
});

test.each(['every job is refired', 'every job is kept'])(
  'fault 143: a reaper with every number at its maximum works: %s',
  async (kind) => {
    const warnings = watchWarnings();
    await seedAll();
    const all = atMost(numbers.filter(([path]) => path !== 'inspect.port')) as Partial<ReaperOptions>;
    const timers = Object.fromEntries(
      ['connectTimeout', 'commandTimeout', 'socketTimeout'].map((name) => [name, longestTimer]),
    );
    const reaper = opened.create({
      ...all,
      redis: { port: server.port, ...timers },
      // A lease must be twice as long as from one renewal to the next.
      lease: { duration: longestTimer, renewInterval: Math.floor(longestTimer / 2) },
      ...(kind.includes('refired') ? { refireGrace: 0 } : {}),
    });
    expect(await useAll(reaper)).toEqual([]);
    expect(warnings).toEqual([]);
  },
);

test.each([2 ** 31, 1e15, Number.MAX_VALUE, Number.POSITIVE_INFINITY])(
  'fault 143: time-outs of %d ms in the options of ioredis are the longest possible ones',
  async (ms) => {
    const warnings = watchWarnings();
    await seedAll();
    const names = ['connectTimeout', 'commandTimeout', 'socketTimeout', 'disconnectTimeout', 'sentinelCommandTimeout'];
    const timers = Object.fromEntries(names.map((name) => [name, ms]));
    expect(await useAll(opened.create({ redis: { port: server.port, ...timers }, refireGrace: 0 }))).toEqual([]);
    // In another database than 0 a connection of our own is made like the caller's.
    const client = opened.hold(new Redis({ port: server.port, db: 1, lazyConnect: true }));
    Object.assign(client.options, timers);
    const reaper = opened.create({ redis: client });
    await reaper.ping();
    expect(await reaper.sweep()).toMatchObject({ scanned: 0 });
    expect(warnings).toEqual([]);
  },
);

test.each([
  ...[0, -1, 1.5, 65_536, Number.NaN, Number.POSITIVE_INFINITY, '1e3', '', ' 6379'].map((port) => ['port', { port }]),
  ...[-1, 1.5, 2 ** 31, Number.NaN, '1e3', ''].map((db) => ['db', { db }]),
  ...['connectTimeout', 'commandTimeout', 'socketTimeout'].flatMap((name) =>
    [-1, Number.NaN, '5000'].map((ms) => [name, { [name]: ms }]),
  ),
  [
    'sentinels.1.port',
    {
      name: 'm',
      sentinels: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 1e9 },
      ],
    },
  ],
] as [string, object][])(
  'fault 143: a wrong number among the options of ioredis is refused by name: %s %o',
  (name, redis) => {
    expect(() => createReaper({ redis, namespace: 't', logger: false })).toThrow(
      `createReaper: redis.${name} must be `,
    );
  },
);

test('fault 143: a port and a database may be texts of digits, and what is not set is null', async () => {
  const redis = { port: String(server.port), db: '1', connectTimeout: undefined, commandTimeout: null } as never;
  await opened.create({ redis }).ping();
});

test('fault 143: a reconnection delay that is longer than any timer does not end at once', async () => {
  const warnings = watchWarnings();
  let tries = 0;
  const reaper = opened.create({
    redis: {
      port: 1,
      retryStrategy() {
        tries += 1;
        return tries === 1 ? 1 : Number.POSITIVE_INFINITY;
      },
    },
  });
  await expect(reaper.ping()).rejects.toThrow('cannot be reached');
  expect([tries, warnings]).toEqual([2, []]);
});

/** Words of each command that takes numbers, and of its help. */
const commands: readonly (readonly string[])[] = [
  ...['run', 'sweep', 'rescue', 'status', 'doctor', 'inspect'].map((name) => [name]),
  ['explain', 'delivered'],
  ['hooks', 'retry', '--all'],
];
const maxima = new Map(
  describeOptions().map(({ command, schema }) => [command?.flag, schema.anyOf?.[0]?.maximum ?? schema.maximum]),
);
/** The flags of a command that take a number or a duration, from its help, with the largest that they take. */
const flagsOf = async (words: readonly string[]) => {
  const { stdout } = await callCli([...words, '--help']);
  return [...stdout.matchAll(/^ +(--[\w-]+) <(duration|n)>/gm)].map(([, flag = '', unit]) => {
    const max = (maxima.get(flag) ?? longestTimer) as number;
    // A lease must be twice as long as from one renewal to the next.
    const most = flag === '--lease-renew-interval' ? Math.floor(max / 2) : max;
    const suffix = unit === 'n' ? '' : 'ms';
    return { flag, most: `${most}${suffix}`, more: `${BigInt(max) + 1n}${suffix}` };
  });
};

test.each(commands)('fault 143: reaper %s accepts its numbers at their maximum', async (...words) => {
  const flags = await flagsOf(words);
  expect(flags.length).toBeGreaterThan(0);
  const [command] = words;
  const args = command === 'inspect' ? [...words, '127.0.0.1:0'] : words;
  const common = ['--redis', server.url, '--namespace', 't'];
  await seedAll();
  const child = launchCli([...args, ...common, ...flags.flatMap(({ flag, most }) => [flag, most])]);
  const { output, ended } = watchCli(child);
  const isLasting = command === 'run' || command === 'inspect';
  // The grace of `rescue` is waited for; a signal ends it.
  const isBegun = async () =>
    command === 'rescue'
      ? (await server.client.exists('t:reaper:suspects')) === 1
      : /started|inspector at/.test(output.stderr);
  if (isLasting || command === 'rescue') {
    await vi.waitUntil(isBegun);
    child.kill('SIGTERM');
    if (command === 'rescue') child.kill('SIGTERM');
  }
  const { code, stderr } = await ended;
  // The counters and a dead pool need attention.
  const expected = new Map([
    ['rescue', 143],
    ['status', 3],
  ]).get(command ?? '');
  expect([code, stderr]).toEqual([expected ?? 0, expect.not.stringMatching(/Warning|RangeError/)]);
});

test('fault 143: no flag of any command accepts more than its maximum', async () => {
  // A flag means the same for every command that has it, so one command for each flag is enough.
  const commandOf = new Map<string, readonly string[]>();
  for (const words of commands) {
    for (const { flag, more } of await flagsOf(words)) {
      if (commandOf.has(flag)) continue;
      const args = words[0] === 'inspect' ? [...words, '127.0.0.1:0'] : words;
      commandOf.set(flag, [...args, '--redis', server.url, '--namespace', 't', flag, more]);
    }
  }
  expect(commandOf.size).toBeGreaterThan(25);
  for (const [flag, args] of commandOf) {
    const { code, stderr } = await callCli(args);
    expect([flag, code, stderr]).toEqual([flag, 2, expect.stringMatching(/--\w+|grace|sweep\.interval/)]);
  }
});

test.each(['1e309', '-1e309', 'nan', 'x', ''])(
  'fault 143: a circuit with the number %j is shown with numbers',
  async (text) => {
    const { client } = server;
    const { url } = hookEndpoint;
    const state = ['failures', 'open_until', 'probe_until', 'failing_since', 'opens', 'tokens', 'tokens_at'];
    await client.sadd('t:reaper:hooks:origins', url);
    await client.zadd(`t:reaper:hooks:due:${url}`, 'inf', 'a');
    const reaper = opened.create({ redis: server.url });
    for (const one of state) {
      const others = { failures: 20, open_until: 1, failing_since: 1 };
      await client.hset(`t:reaper:hooks:endpoint:${url}`, { ...others, [one]: text });
      const [endpoint] = await reaper.hooks.endpoints();
      const { failures, waitMs, failingSinceAt } = endpoint ?? {};
      expect([Number.isFinite(failures), Number.isFinite(waitMs)], one).toEqual([true, true]);
      expect(String(failingSinceAt), one).toMatch(/^(undefined|1970-.*Z)$/);
      expect((await reaper.status()).hooks.endpoints, one).toMatchObject([{ failures, failingSinceAt }]);
    }
  },
);

test.each(['9000000000000', '9'.repeat(20), '1e300'])(
  'fault 143: a time of %s in Redis, which is not a date, does not end a command',
  async (time) => {
    const { client } = server;
    await seedJob(client, 'delivered', { web_hook_url: `${hookEndpoint.url}/200/x` });
    const digits = time.includes('e') ? '9'.repeat(300) : time;
    await client.hset('t:reaper:hooks', 'delivered', `parked Running:1 ${hookEndpoint.url} 3 ${digits} ${digits} 404`);
    await client.zadd('t:reaper:hooks:parked', time, 'delivered');
    await client.hset('t:reaper:lease', { leader: 'x', host: 'h:1', number: 1, until: time, since: time });
    await client.hset('t:reaper:progress', { begun: time, scanned: time, ended: time, rescue_ended: time });
    await client.hset('t:worker_pools:p', { heartbeat_at: time, host: 'h', started_at: time });
    await client.sadd('t:worker_pools', 'p');
    for (const command of [['status'], ['hooks'], ['explain', 'delivered'], ['rescue', '--plan', '--grace', '0']]) {
      const { code, stdout, stderr } = await callCli([...command, '--redis', server.url, '--namespace', 't']);
      expect([command[0], code, `${stdout}${stderr}`]).toEqual([
        command[0],
        command[0] === 'status' ? 3 : 0,
        expect.not.stringMatching(/Invalid|RangeError|NaN/),
      ]);
    }
  },
);
