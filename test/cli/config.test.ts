/** The sources of options: flags, environment variables and a config file; and the errors for names of version 0.1.0. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfigFile } from '../../src/cli/configFile.ts';
import { callCli } from '../support/cli.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let folder: string;
beforeAll(async () => {
  [server, folder] = await Promise.all([startRedis(), mkdtemp(join(tmpdir(), 'reaper-config-'))]);
});
afterAll(async () => {
  await Promise.all([server.stop(), rm(folder, { recursive: true })]);
});

const secret = 'hunter2';
const [certificate = ''] = rootCertificates;
/** Writes a config file, and returns its path. */
const write = async (name: string, text: string) => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};
/** The options that `reaper doctor --json` shows, by their path: value and source. */
const configured = async (args: readonly string[], env: Record<string, string> = {}) => {
  const { stdout, stderr } = await callCli(['doctor', '--json', '--redis', server.url, ...args], env);
  expect(stderr).toBe('');
  const { options } = JSON.parse(stdout);
  return Object.fromEntries(
    options.map(({ path, value, source }: Record<string, string>) => [path, [value, source]]),
  ) as Record<string, [unknown, string]>;
};

test('a flag wins over the environment, the environment over the file, and that over the default', async () => {
  const file = await write(
    'all.yaml',
    'namespace: t\nsweep:\n  interval: 10m\n  jitter: 0.5\n  concurrency: 3\nrole: never\n',
  );
  const options = await configured(['--config', file, '--sweep-interval', '30m'], {
    REAPER_SWEEP_INTERVAL: '20m',
    REAPER_SWEEP_JITTER: '0.25',
    REAPER_ROLE: '',
  });
  expect(options).toMatchObject({
    namespace: ['t', file],
    'sweep.interval': ['30m', '--sweep-interval'],
    'sweep.jitter': ['0.25', 'REAPER_SWEEP_JITTER'],
    'sweep.concurrency': [3, file],
    role: ['never', file],
  });
  expect(options['sweep.initialDelay']).toEqual(['5m', 'default']);
});

test('doctor shows where each value comes from: its flag, its variable, the line of the file, or the default', async () => {
  const file = await write(
    'lines.yaml',
    '# comment\nnamespace: t\nsweep: { interval: 10m }\nhooks:\n\n  drainRate: 7\n',
  );
  const { stdout } = await callCli(['doctor', '--redis', server.url, '--config', file, '--log-level', 'error'], {
    REAPER_ROLE: 'never',
  });
  for (const line of [
    `namespace: t  from ${file}:2`,
    `sweep.interval: 10m  from ${file}:3`,
    `hooks.drainRate: 7  from ${file}:6`,
    'role: never  from REAPER_ROLE',
    'redis: (secret)  from --redis',
    'rescue.interval: 10s  from default',
    'logLevel: error  from --log-level',
  ]) {
    expect(stdout).toContain(`option  ${line}\n`);
  }
});

test('a JSON file works too, is found by REAPER_CONFIG, and may name files by relative paths', async () => {
  await write('ca.pem', certificate);
  const file = await write(
    'all.json',
    '{ "namespace": "t", "hooks": { "tls": { "caFile": "ca.pem" } }, "jobTypes": ["X"] }',
  );
  expect(await configured([], { REAPER_CONFIG: file })).toMatchObject({
    'hooks.tls.ca': ['ca.pem', file],
    jobTypes: [['X'], file],
  });
});

test.each([
  [['--lease-duration', '5s'], "--lease-duration '5s'"],
  [['--lease-renew-interval', '9s', '--lease-duration', '8s'], "--lease-duration '8s' and --lease-renew-interval '9s'"],
  [
    ['--config', 'lease.yaml', '--lease-renew-interval', '4s'],
    /^reaper: \S*lease\.yaml:2:3: lease\.duration and --lease/,
  ],
  [['--config', 'lease.yaml'], /^reaper: \S*lease\.yaml:1:1: lease: duration must/],
])('two options that contradict each other are named as they were given: %j', async (args, message) => {
  const file = await write('lease.yaml', 'lease:\n  duration: 4s\n');
  const given = args.map((arg) => (arg === 'lease.yaml' ? file : arg));
  const { code, stderr } = await callCli(['doctor', '--namespace', 't', ...given]);
  expect([code, stderr]).toEqual([
    2,
    typeof message === 'string' ? expect.stringContaining(`${message}: duration must`) : expect.stringMatching(message),
  ]);
});

test('a secret may be in a file that a variable ending in _FILE names', async () => {
  const file = await write('redis-url', `redis://127.0.0.1:${server.port}/1\n`);
  const { stdout, stderr } = await callCli(['doctor', '--namespace', 't'], { REAPER_REDIS_FILE: file });
  expect(stderr).toBe('');
  expect(stdout).toContain('option  redis: (secret)  from REAPER_REDIS_FILE');
  expect(stdout).toContain(`127.0.0.1:${server.port}/1`);
  // An option that is not a secret has no such variable.
  const { code } = await callCli(['doctor', '--redis', server.url], { REAPER_NAMESPACE_FILE: file });
  expect(code).toBe(2);
});

test('a secret file that is missing, or one beside the secret itself, is refused without the secret', async () => {
  const missing = await callCli(['doctor', '--namespace', 't'], { REAPER_REDIS_FILE: '/missing' });
  expect([missing.code, missing.stderr]).toEqual([
    2,
    "reaper: REAPER_REDIS_FILE '/missing': cannot be read (ENOENT)\n",
  ]);
  const both = await callCli(['doctor', '--namespace', 't'], { REAPER_REDIS: secret, REAPER_REDIS_FILE: '/missing' });
  expect([both.code, both.stderr]).toEqual([
    2,
    'reaper: REAPER_REDIS and REAPER_REDIS_FILE: only one of them can be set\n',
  ]);
});

test('secrets are never shown, from any source', async () => {
  const { stdout } = await callCli(
    ['doctor', '--namespace', 't', '--redis', `redis://:${secret}@127.0.0.1:${server.port}`],
    { REAPER_SENTINEL_PASSWORD: secret },
  );
  expect(stdout).not.toContain(secret);
  const { stdout: text } = await callCli(['doctor', '--redis', server.url, '--namespace', 't'], {
    REAPER_SENTINEL_PASSWORD: secret,
  });
  expect(text).not.toContain(secret);
  expect(text).toContain('option  sentinelPassword: (secret)  from REAPER_SENTINEL_PASSWORD');
});

describe('a password in a value that is shown, or that is refused, is hidden', () => {
  const url = `http://u:${secret}@b`;
  const relay = { 'inspect.stately': 'ws://***@b/?***' };
  test('in an option that may hold one', async () => {
    const file = await write('relay.yaml', `namespace: t\ninspect:\n  stately: "ws://u:${secret}@b/?${secret}"\n`);
    for (const [args, env] of [
      [['--config', file], {}],
      [['--namespace', 't'], { REAPER_INSPECT_STATELY: `ws://u:${secret}@b/?${secret}` }],
    ] as const) {
      const { stdout, stderr, code } = await callCli(['doctor', '--redis', server.url, ...args], env);
      expect([code, stderr, stdout.includes(secret)]).toEqual([0, '', false]);
      for (const [path, value] of Object.entries(relay)) expect(stdout).toContain(`option  ${path}: ${value}  from `);
    }
  });

  test.each([
    [['doctor', '--hooks-rewrite-origins', `x=${url}`], {}, "'x=http://***@b': the old origin must be an origin"],
    [['doctor', '--hooks-rewrite-origins', `http://a=${url}`], {}, 'the new origin must be an http or https URL'],
    [['doctor', '--hooks-rewrite-origins', url], {}, "'http://***@b': must be NAME=VALUE"],
    [['doctor', '--hooks-allowed-origins', url], {}, "'http://***@b': must be an origin"],
    [['doctor'], { REAPER_HOOKS_ALLOWED_ORIGINS: `u:${secret}@b` }, "'***@b': must be an origin"],
    [['doctor', '--log-level', url], {}, "--log-level 'http://***@b': must be one of"],
    [['run', '--inspect', '--inspect-stately', `ws://u:${secret}@b#${secret}`], {}, 'must have no fragment'],
    [['run', '--http', `u:${secret}@b`], {}, "argument '***@b' is invalid"],
    [['doctor', `--redsi=redis://:${secret}@b`], {}, "unknown option '--redsi'"],
    [['status', `--sentinel-pass=${secret}`], {}, "unknown option '--sentinel-pass'"],
    [['status', `-p${secret}`], {}, "unknown option '-p'."],
    [['status', '--redis', `x://:${secret}@b`], {}, 'reaper: --redis: the Redis URL has an unknown form'],
    [[`redis://:${secret}@b`], {}, "unknown command 'redis://***@b'"],
    [['hooks', `redis://:${secret}@b`], {}, "unknown command 'redis://***@b'"],
  ] as [string[], Record<string, string>, string][])('in %j', async (args, env, message) => {
    const { code, stderr, stdout } = await callCli([...args, '--namespace', 't'], { REAPER_REDIS: server.url, ...env });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain(secret);
  });

  test.each([
    `hooks: {rewriteOrigins: {"${url}": http://a}}`,
    `hooks: {rewriteOrigins: {"http://a": "${url}"}}`,
    `hooks: {"${url}": 1}`,
    `"${url}": 1`,
    `logLevel: ${url}`,
    ...['*', '|', '>', '!x!', '!<!', '!!int ', '%', '&', '`', '[', '{'].map(
      (start) => `sentinelPassword: ${start}${secret}`,
    ),
    `sentinelPassword: "\\U${secret}"`,
    `sentinelPassword: !${secret}! x`,
  ])('in a file: %s', async (text) => {
    const file = await write('secret.yaml', `${text}\n`);
    const { code, stderr, stdout } = await callCli(['doctor', '--redis', server.url, '--config', file]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^reaper: .*\n$/);
    expect(stderr).not.toContain(secret);
  });
});

describe('a file that cannot be used ends the command with 2', () => {
  test.each([
    ['sweep:\n  interval: [10m\n', /bad\.yaml:3:1: /],
    ['- a\n- b\n', /bad\.yaml:1:1: must hold a map of options/],
    ['sweep:\n  speed: 1\n', /bad\.yaml:2:3: sweep\.speed: unknown option/],
    ['sweep:\n  interval: 10\u0000m\n', /bad\.yaml:2:\d+: /],
    ['sweep:\n  interval: "10"\n', /bad\.yaml:2:3: sweep\.interval: must have a unit: write '10s'/],
    ['hungAfterS: 86400\n', /bad\.yaml:1:1: hungAfterS: use hungAfter: '24h'/],
    ['hooks:\n  tls:\n    caFile: nowhere.pem\n', /bad\.yaml:3:5: hooks\.tls\.caFile: cannot be read \(ENOENT\)/],
    ['\nlogLevel: loud\n', /bad\.yaml:2:1: logLevel 'loud': must be one of debug, info/],
    [
      'hooks:\n  allowedOrigins:\n    - http://a\n    - b\n',
      /bad\.yaml:4:7: hooks\.allowedOrigins\.1: must be an origin/,
    ],
    ['lease: {renewInterval: 3s, duration: 4s}\n', /bad\.yaml:1:1: lease: duration must be at least twice/],
    ['{"sweep":\n {"interval": "soon"}}', /bad\.yaml:2:3: sweep\.interval: must be a duration/],
    ['x: &x {interval: 1}\nsweep: *y\n', /bad\.yaml/],
    [
      'sweep: &s\n  interval: 1h\n  speed: 1\nrescue: *s\n',
      /bad\.yaml:3:3: sweep\.speed: .*bad\.yaml:3:3: rescue\.speed: /,
    ],
  ])('%j', async (text, message) => {
    const file = await write('bad.yaml', text);
    const { code, stderr, stdout } = await callCli(['status', '--namespace', 't', '--config', file], {
      REAPER_LOG_LEVEL: '',
    });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr).toContain('bad.yaml');
  });

  test.each([
    'redis: &r "secret"\nhungAfterByType:\n  ? [x, "\x9b31m"]\n  : 1h\n',
    'a: 1\n\n  \n? {a: "\x9b31m"}\n: 1\n',
    'a: &a [secret]\nb:\n  *a : 1\n',
    'a: 1\nb: {x: 1,\n  !!binary aGVsbG8=: 1}\n',
  ])('fault 125: nothing of a key that is no text reaches the terminal: %j', async (text) => {
    const file = await write('bad.yaml', text);
    expect(() => readConfigFile(file)).toThrow(/^\S+bad\.yaml:[34]:\d+: a key must be a text$/);
  });

  test('and so does a missing file', async () => {
    const { code, stderr } = await callCli(['status', '--config', join(folder, 'none.yaml')]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('none.yaml: cannot be read (ENOENT)')]);
  });
});

describe('names of version 0.1.0 are refused, and the new ones are named', () => {
  test.each([
    [['status', '--types', 'X'], '--types: use --job-types'],
    [['sweep', '--hook-ca=x'], '--hook-ca: use --hooks-tls-ca-file'],
    [['hooks', 'retry', '--drain-per-second', '5'], '--drain-per-second: use --hooks-drain-rate'],
    [['inspect', '--control'], '--control: use --inspect-control'],
  ])('%j', async (args, message) => {
    const { code, stderr } = await callCli([...args, '--namespace', 't']);
    expect([code, stderr]).toEqual([2, `reaper: ${message}\n`]);
  });

  test('in the environment too', async () => {
    const { code, stderr } = await callCli(['status', '--namespace', 't'], { REAPER_REDIS_URL: server.url });
    expect([code, stderr]).toEqual([2, 'reaper: REAPER_REDIS_URL: use REAPER_REDIS\n']);
  });
});

test('the help of a command has the options that it uses, in groups, and no others', async () => {
  const helpOf = async (...words: string[]) => (await callCli([...words, '--help'])).stdout;
  const [run, status, list] = [await helpOf('run'), await helpOf('status'), await helpOf('hooks', 'list')];
  expect(run).toMatch(
    /\nSchedule:\n(.*\n)*? {2}--sweep-interval <duration> .*\n?.*default: 1h; env:\s+REAPER_SWEEP_INTERVAL/,
  );
  expect(run).toContain('--hooks-tls-key-file <file>');
  expect(status).toContain('\nJudging jobs:\n');
  expect(status).not.toContain('--sweep-interval');
  expect(status).not.toContain('--hooks-');
  expect(list).not.toContain('--hung-after');
  for (const help of [run, status, list]) expect(help).toMatch(/\nRedis:\n {2}--redis <url> /);
});
