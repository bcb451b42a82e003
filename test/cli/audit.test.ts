import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callCli, runCli } from '../support/cli.ts';
import { redisFixture } from '../support/fixture.ts';
import { seedJob } from '../support/jobs.ts';

const { redis, server, keys } = await redisFixture();
const secret = 'hunter2';
const reaperBy = async (run: typeof callCli | typeof runCli, ...args: string[]) => {
  const ended = await run([...args, '--redis', server.url, '--namespace', 't']);
  expect(`${ended.stdout}${ended.stderr}`).not.toContain(secret);
  return ended;
};
const reaper = (...args: string[]) => reaperBy(callCli, ...args);
const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const status = (id: string) => redis.hget(keys.stats(id), 'status');

test('audit shows what a sweep has done, by whom and why, and undo takes it back after a plan', async () => {
  expect(await reaperBy(runCli, 'audit')).toMatchObject({ code: 0, stdout: 'no act is recorded\n' });
  await seedJob(redis, 'a', { age: 100_000, parameters: secret });
  await seedJob(redis, 'b', { age: 100_000 });
  await reaper('sweep', '--audit-operator', 'ann');
  const table = await reaper('audit', '--id', 'a');
  expect(table.stdout).toMatch(/ fail .* a .* status Running → Error.* hung .* \S+:\d+ ann /);
  expect(table.stdout).not.toContain(' b ');
  const json = lines((await reaper('audit', '--json', '--who', 'ann')).stdout);
  expect(json).toMatchObject([
    { type: 'audit', what: 'fail', job: expect.stringMatching(/^[ab]$/), why: 'hung', was: { status: 'Running' } },
    { type: 'audit', what: 'fail', job: expect.stringMatching(/^[ab]$/), is: { status: 'Error' } },
  ]);
  const [a, b] = ['a', 'b'].map((id) => json.find(({ job }) => job === id).id);

  expect(await reaper('undo', a, '--plan')).toMatchObject({ code: 0, stdout: `${a} fail a: would be undone\n` });
  expect(await status('a')).toBe('Error');
  expect(await reaper('undo', a)).toMatchObject({ code: 0, stdout: `${a} fail a: undone\n` });
  expect([await status('a'), await status('b')]).toEqual(['Running', 'Error']);

  const again = await reaper('undo', a, b, '--json');
  expect(again.code).toBe(1);
  expect(lines(again.stdout)).toMatchObject([
    { type: 'undo', plan: false, entry: expect.any(String) },
    { type: 'undo', plan: false, entry: expect.any(String) },
  ]);
  expect(await status('b')).toBe('Running');
  const [undone] = lines(again.stdout).filter(({ outcome }) => outcome === 'already-undone');
  expect(undone).toMatchObject({ entry: a, undone: { who: expect.stringMatching(` ${userInfo().username}$`) } });
  const { stdout } = await reaper('audit', '--limit', '1', '--json');
  expect(lines(stdout)).toMatchObject([
    { what: 'undo', of: b, who: expect.stringMatching(` ${userInfo().username}$`) },
  ]);
  const [{ id, at, who }] = lines(stdout);
  expect((await reaper('undo', b)).stderr).toBe(
    `reaper: ${b} fail b: undone already, ${at.replace(/\.\d{3}Z$/, 'Z')} by ${who} (entry ${id})\n`,
  );
});

test('a line of an act on a job type is an audit line too, whatever the type is called', async () => {
  await redis.xadd(keys.audit, '*', 'what', 'requeue', 'pool', 'p', 'type', 'summary');
  const [line] = lines((await reaper('audit', '--json')).stdout);
  expect(line).toMatchObject({ schema: 1, type: 'audit', what: 'requeue', pool: 'p', jobType: 'summary' });
});

test('an act that cannot be undone, an entry that is not there, and a wrong id', async () => {
  const entry = (await redis.xadd(keys.audit, '*', 'what', 'requeue', 'pool', 'p', 'n', '2', 'ids', 'a\nb')) as string;
  expect((await reaper('audit', '--pool', 'p')).stdout).toMatch(/ requeue .* 2 × a, … pool p /);
  const refused = await reaper('undo', entry);
  expect([refused.code, refused.stderr]).toEqual([
    1,
    `reaper: ${entry} requeue: cannot be undone: the entries are in the queue, and a worker may have taken them\n`,
  ]);
  const missing = await reaperBy(runCli, 'undo', '5-0');
  expect([missing.code, missing.stderr]).toEqual([4, 'reaper: there is no entry 5-0. See: reaper audit\n']);
  const wrong = await reaper('undo', entry, 'abc');
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/'abc' .*must be the id of an entry/)]);
});

test('facts with names that every object has, and a number that is none, are shown as in the entry', async () => {
  const facts = ['was', '{"toString":"a"}', 'is', '{"toString":"b","constructor":"c","__proto__":"d"}'];
  await redis.xadd(keys.audit, '*', 'what', 'fail', 'job', 'a', 'n', 'many', ...facts);
  const { stdout } = await reaper('audit');
  expect(stdout).toMatch(/ a +toString a → b, constructor none → c, __proto__ none → d /);
  expect(lines((await reaper('audit', '--json')).stdout)[0]).not.toHaveProperty('count');
});

test('audit lists by time: an ISO time, or how long ago', async () => {
  for (const ms of [1_000_000_000_000, Date.now() - 7_200_000]) await redis.xadd(keys.audit, `${ms}-0`, 'what', 'fail');
  const count = async (...args: string[]) => lines((await reaper('audit', '--json', ...args)).stdout).length;
  expect(await count('--since', '3h')).toBe(1);
  expect(await count('--since', '30d')).toBe(1);
  expect(await count('--since', '2001-01-01')).toBe(2);
  expect(await count('--until', '2002-01-01T00:00:00Z')).toBe(1);
  for (const args of [
    ['--since', 'yesterday'],
    ['--since', '2026-02-31'],
    ['--until', '2026-01-31T25:00Z'],
    ['--since', '9007199254740992ms'],
    ['--limit', '0'],
    ['--id', ''],
  ]) {
    expect((await reaper('audit', ...args)).code).toBe(2);
  }
});

test('fault 143: an age may be longer than the time since 1970, and than any date', async () => {
  await redis.xadd(keys.audit, '1-1', 'what', 'fail');
  expect((await reaper('audit', '--since', '9007199254740991ms')).stdout).toContain(' fail ');
  expect(await reaper('audit', '--until', '1000y')).toMatchObject({ code: 0, stdout: 'no act is recorded\n' });
});

test('who acts comes from the environment or a config file too, and 0 entries record nothing', async () => {
  const sweep = async (env: Record<string, string>, ...args: string[]) => {
    await redis.flushall();
    await seedJob(redis, 'a', { age: 100_000 });
    return callCli(['sweep', '--redis', server.url, '--namespace', 't', ...args], env);
  };
  await sweep({ REAPER_AUDIT_OPERATOR: 'bob' });
  expect((await reaper('audit', '--who', 'bob')).stdout).toContain(' fail ');
  await sweep({ SUDO_USER: 'carol' });
  expect((await reaper('audit', '--who', 'carol')).stdout).toContain(' fail ');
  await sweep({ REAPER_AUDIT_MAX_ENTRIES: '0' });
  expect([await redis.exists(keys.audit), await status('a')]).toEqual([0, 'Error']);
  const folder = await mkdtemp(join(tmpdir(), 'reaper-audit-'));
  const file = join(folder, 'config.yaml');
  await writeFile(file, 'audit: 5\n');
  expect((await sweep({}, '--config', file)).stderr).toContain('config.yaml:1:1: audit: ');
  await rm(folder, { recursive: true });
});
