/** What comes out of Redis reaches a terminal with every control character shown, and colours only where they are wanted. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { visible, visibleJson } from '../../src/visible.ts';
import { callCli } from '../support/cli.ts';
import { second, seedJob } from '../support/jobs.ts';
import { builtOf } from '../support/programs.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';
import { spawnOnTerminal } from '../support/terminal.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** Moves the cursor, sets the clipboard, forges a line, turns the direction, and more. */
const evil =
  'e\u001b[2J\u001b]52;c;aGk=\u0007\u009b31m\r\nforged\t\u0000\u007f\u202eabc\u2066\u200f\u200e\u061c\u2028\u2029\u0085x';
const shown =
  'e\\u001b[2J\\u001b]52;c;aGk=\\u0007\\u009b31m\\u000d\\u000aforged\\u0009\\u0000\\u007f\\u202eabc\\u2066\\u200f\\u200e\\u061c\\u2028\\u2029\\u0085x';
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

beforeEach(async () => {
  const { client } = server;
  await client.flushall();
  await seedJob(client, evil, { name: evil, age: 90_000 });
  await seedJob(client, `${evil}2`, { name: evil, age: 600, web_hook_url: 'http://127.0.0.1:1/x' });
  await client.sadd('t:known_jobs', evil);
  await client.lpush(`t:jobs:${evil}`, 'x');
  await client.set(`t:jobs:${evil}:lock_info`, 'of another type');
  await client.sadd('t:worker_pools', `pool ${evil}`);
  await client.hset(`t:worker_pools:pool ${evil}`, { heartbeat_at: 1, host: evil, job_names: evil });
  const entry = JSON.stringify({ name: evil, id: evil, t: 1 });
  await client.lpush(`t:jobs:${evil}:pool ${evil}:inprogress`, entry);
});

const common = () => ['--redis', server.url, '--namespace', 't'];
const commands: [string, () => string[]][] = [
  ['status', () => ['status', ...common()]],
  ['explain', () => ['explain', evil.replaceAll('\u0000', ''), ...common()]],
  ['sweep', () => ['sweep', ...common(), '--log-level', 'info']],
  ['sweep --plan', () => ['sweep', '--plan', ...common()]],
  ['rescue', () => ['rescue', '--grace', '0', ...common()]],
  ['rescue --plan', () => ['rescue', '--plan', '--grace', '0', ...common()]],
  ['hooks', () => ['hooks', ...common()]],
  ['quarantine', () => ['quarantine', ...common()]],
  ['doctor', () => ['doctor', ...common()]],
];

/** Runs the command on a wide terminal of its own (both streams), and gives all that reached it. */
const onTerminal = async (args: readonly string[], env: Record<string, string> = {}): Promise<string> => {
  const child = spawnOnTerminal([process.execPath, builtOf('src/cli/main.ts'), ...args], {
    NO_COLOR: undefined,
    FORCE_COLOR: undefined,
    COLUMNS: '1000',
    ...env,
  });
  child.stdin.end();
  let heard = '';
  child.stdout.on('data', (data) => {
    heard += data;
  });
  await once(child, 'close');
  return heard;
};
/** What a terminal adds to the end of a line, and what the bar and our colours say. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const ours = /\r?\u001b(7|8|\[(\?25[lh]|[0-9;]*[KGAm]|0?J|\?7[lh]))\r?/g;
/** The progress, which a command on a slow machine shows and then clears. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const progress = /\r[^\r\n]*\u001b\[K/g;
const withoutOurs = (text: string) => text.replaceAll('\r\n', '\n').replace(ours, '').replaceAll('\r', '');

describe('fault 125: control characters', () => {
  test.each(commands)('of %s are shown, in a pipe', async (_, args) => {
    const { stdout, stderr } = await callCli(args());
    expect(stdout).not.toMatch(obeyed);
    expect(stderr).not.toMatch(obeyed);
    expect(stdout.split('\n')).not.toContainEqual(expect.stringMatching(/^forged/));
    expect(stdout.length).toBeGreaterThan(0);
  });

  test('are shown on a terminal, in lines, tables and the log', async () => {
    for (const args of [
      ['sweep', ...common(), '--log-level', 'debug'],
      ['rescue', '--grace', '0', ...common(), '--log-level', 'debug'],
      ['status', ...common()],
      ['hooks', ...common()],
    ]) {
      const text = withoutOurs(await onTerminal(args));
      expect(text).not.toMatch(obeyed);
      expect(text).toContain(shown.slice(0, 10));
      expect(text.split('\n')).not.toContainEqual(expect.stringMatching(/^forged/));
    }
  });

  test('of acts on record are shown by audit, undo, apply and quarantine', async () => {
    const { client } = server;
    await seedJob(client, `${evil}3`, { name: evil, age: 100_000 });
    // Only jobs with a plain id are quarantined.
    const deaths = [3, 2, 1].map((n) => [second(-n), `${evil}${n}`, '']);
    await client.hset('t:reaper:recoveries', 'poison', JSON.stringify(deaths));
    await client.del(`t:jobs:${evil}:lock_info`);
    await client.lpush(`t:jobs:${evil}:pool ${evil}:inprogress`, JSON.stringify({ name: evil, id: 'poison', t: 1 }));
    const folder = await mkdtemp(join(tmpdir(), 'reaper-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'plan.ndjson');
    const outputs: string[] = [];
    const run = async (...args: string[]) => {
      const { stdout, stderr } = await callCli([...args, ...common()]);
      outputs.push(stdout, stderr);
      return stdout + stderr;
    };
    await run('sweep', '--plan', '--out', file, '--verbose');
    outputs.push(await readFile(file, 'utf8'));
    await client.hset(`t:job_stats:${evil}3`, 'status', evil);
    expect(await run('apply', file)).toContain(shown);
    await client.hset(`t:job_stats:${evil}3`, 'status', 'Running');
    await run('rescue', '--grace', '0', '--verbose');
    await run('sweep', '--verbose');
    expect(await run('quarantine')).toContain(shown);
    expect(await run('audit')).toContain(shown);
    const entries = (await client.xrange('t:reaper:audit', '-', '+')).map(([id]) => id);
    expect(await run('undo', ...entries, '--plan')).toContain(shown);
    expect(await run('undo', ...entries)).toContain(shown);
    await run('quarantine', 'release', '--type', evil.replaceAll('\u0000', ''));
    for (const args of [['audit'], ['quarantine'], ['apply', file]])
      outputs.push(withoutOurs((await onTerminal([...args, ...common()])).replace(progress, '')));
    for (const text of outputs) {
      expect(text).not.toMatch(obeyed);
      expect(text.split('\n')).not.toContainEqual(expect.stringMatching(/^forged/));
    }
  });

  test('of an error that a server sends are shown', async () => {
    const liar = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(`-ERR ${evil.replaceAll(/[\r\n]/g, '')}\r\n`));
    }).listen(0, '127.0.0.1');
    await once(liar, 'listening');
    const { port } = liar.address() as { port: number };
    const { stderr, code } = await callCli(['status', '--redis', `redis://127.0.0.1:${port}`, '--namespace', 't']);
    expect(code).toBe(1);
    expect(stderr).not.toMatch(obeyed);
    liar.close();
  });

  test.each([
    ['a number', ['sweep', '--hung-after', evil], {}],
    ['a file', ['sweep', '--hooks-tls-ca-file', evil], {}],
    ['a pair', ['rescue', '--hooks-rewrite-origins', `a=b=${evil}`], {}],
    ['a choice', ['run', '--role', evil], {}],
    ['an address', ['inspect', evil], {}],
    // What is after an equals sign is left out.
    ['a flag', ['sweep', `--${evil.replace('=', '')}`], {}],
    ['a command', [evil], {}],
    ['a variable', ['sweep'], { REAPER_HUNG_AFTER: evil }],
    ['an id', ['hooks', 'drop', '--id', evil], {}],
    ['a type', ['quarantine', 'drop', '--type', evil], {}],
  ] as [string, string[], Record<string, string>][])(
    'of arguments are shown escaped, and forge no line: %s',
    async (_, given, env) => {
      const args = given.map((text) => text.replaceAll('\u0000', ''));
      const variables = Object.fromEntries(
        Object.entries(env).map(([name, text]) => [name, text.replaceAll('\u0000', '')]),
      );
      const { stdout, stderr } = await callCli([...args, ...(args.length > 1 ? common() : [])], variables);
      expect(stderr).toContain('\\u000aforged');
      expect(`${stdout}${stderr}`).not.toMatch(obeyed);
      expect(`${stdout}${stderr}`.split('\n')).not.toContainEqual(expect.stringMatching(/^forged/));
    },
  );

  test('are not part of the suggestion, which ends the line', async () => {
    const { stderr } = await callCli(['sweep', '--job-typs', 'x', ...common()]);
    expect(stderr).toBe("reaper: unknown option '--job-typs'. Did you mean --job-types?\n");
  });

  test('leave JSON unchanged', async () => {
    const { stdout } = await callCli(['sweep', '--plan', '--json', ...common()]);
    const ids = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === 'job')
      .map(({ id }) => id);
    expect(ids.sort()).toEqual([evil, `${evil}2`].sort());
    expect(stdout).not.toMatch(obeyed);
  });

  test('of any text are shown escaped, and JSON is parsed as before', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((n) => String.fromCharCode(n)) }),
        (text) => {
          expect(visible(text)).not.toMatch(obeyed);
          expect(visible(text)).not.toContain('\n');
          expect(visible(text)).not.toMatch(/\p{Cs}/u);
          expect(JSON.parse(visibleJson({ text }))).toEqual({ text });
        },
      ),
    );
    expect(visible(evil)).toBe(shown);
    expect(visible('\ud800x\udfff 😀 日本 é')).toBe('\\ud800x\\udfff 😀 日本 é');
  });
});

describe('fault 125: colours', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  const colour = /\u001b\[[0-9;]*m/;

  test('are used only on a terminal that supports them', async () => {
    const args = ['doctor', ...common()];
    expect(await onTerminal(args)).toMatch(colour);
    expect(await onTerminal(args, { NO_COLOR: '' })).toMatch(colour);
    expect(await onTerminal(args, { NO_COLOR: '1' })).not.toMatch(colour);
    expect(await onTerminal(args, { TERM: 'dumb' })).not.toMatch(colour);
  });

  test('are used in the log by the same rule', async () => {
    const args = ['sweep', ...common(), '--log-level', 'info'];
    expect(await onTerminal(args)).toMatch(colour);
    await server.client.hset('t:job_stats:again', {
      id: 'again',
      name: 'X',
      status: 'Running',
      update_time: 1,
      revision: 1,
    });
    await server.client.hset('t:job_track:inprogress', 'again', 2);
    expect(await onTerminal(args, { NO_COLOR: '1' })).not.toMatch(colour);
    const dumb = await onTerminal(args, { TERM: 'dumb' });
    expect(dumb).not.toContain('\u001b');
  });

  test('are used in a pipe only if FORCE_COLOR is set, and only ours: the tables have none', async () => {
    for (const [name, args] of commands) {
      const { stdout } = await callCli(args(), { FORCE_COLOR: '3', TERM: 'xterm-256color', COLORTERM: 'truecolor' });
      expect(colour.test(stdout)).toBe(name === 'doctor' || name === 'status');
      expect(withoutOurs(stdout)).not.toContain('\u001b');
    }
  });
});

test('fault 125: wide and combined characters keep the lines of a table as wide as each other', async () => {
  await server.client.flushall();
  for (const type of ['日本語', 'e\u0301\u0301', 'plain', '😀']) {
    await server.client.sadd('t:known_jobs', type);
    await server.client.lpush(`t:jobs:${type}`, 'x');
  }
  const { stdout } = await callCli(['status', ...common()]);
  const width = (line: string) =>
    [...line.replace(/\p{M}/gu, '')].reduce(
      (sum, each) => sum + (/[\u3000-\u9fff\u{1f300}-\u{1faff}]/u.test(each) ? 2 : 1),
      0,
    );
  const lines = stdout.split('\n').filter((line) => /^[│┌├└]/.test(line));
  expect(lines.length).toBeGreaterThan(6);
  expect(new Set(lines.map(width)).size).toBe(1);
});

test('the audit fits 80 columns on a terminal, with whole entries, and has one line for each act in a pipe', async () => {
  const { client } = server;
  await client.flushall();
  const [job, pool] = ['0123456789abcdef01234567', '89abcdef0123456789abcdef'];
  const act = { who: 'harbor-jobservice-5d9f7c6b4-x2x7q:4711 operator', pass: 'rescue/AbCdEf', what: 'requeue-orphan' };
  const fields = Object.entries({ ...act, why: 'orphaned', job, pool, type: 'VULNERABILITY_SCAN' }).flat();
  const entry = (await client.xadd('t:reaper:audit', '*', ...fields)) as string;
  const heard = (await onTerminal(['audit', ...common()], { COLUMNS: '80' })).replace(progress, '');
  const text = withoutOurs(heard);
  const lines = text.trimEnd().split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBe(80);
  expect(text).toContain(`│ ${entry} `);
  expect(text).toContain('…');
  const { stdout } = await callCli(['audit', ...common()]);
  expect(stdout.split('\n').find((line) => line.includes(entry))).toMatch(new RegExp(`${job} .*${pool}.* ${act.who} `));
});
