/** A plan in a file, and `reaper apply`. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { readPlan, writePlan } from '../../src/cli/planFile.ts';
import { addressIn } from '../../src/cli/planFlags.ts';
import { rescue } from '../../src/cli/rescue.ts';
import { callCli, watchCli } from '../support/cli.ts';
import { redisFixture } from '../support/fixture.ts';
import { second, seedJob } from '../support/jobs.ts';
import { entryOf, idsIn, markOf, seedPool } from '../support/pools.ts';
import { builtOf } from '../support/programs.ts';

const { server, redis, opened } = await redisFixture();
const folder = mkdtempSync(join(tmpdir(), 'plans-'));
const file = join(folder, 'plan.jsonl');
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => redis.config('SET', 'requirepass', secret));
beforeEach(() => rmSync(file, { force: true }));

const secret = 'hunter2';
const reaper = (...args: string[]) =>
  callCli([...args, '--redis', server.url.replace('redis://', `redis://:${secret}@`), '--namespace', 't']);
const url = `http://user:${secret}@127.0.0.1:1/${secret}`;
const linesOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const header = {
  kind: 'sweep',
  namespace: 't',
  redis: 'redis://127.0.0.1',
  createdAt: '2026-01-01T00:00:00Z',
} as const;

test.each([
  ['redis://u:hunter2@h:1/2?x=hunter2', 'redis://h:1/2'],
  [':hunter2@h:1', 'redis://h:1'],
  [' REDISS+sentinel://hunter2@a,b/m/1 ', 'rediss+sentinel://a,b/m/1'],
  ['', 'redis://'],
])('a plan names the Redis of the URL %j', (redis, address) => {
  expect(addressIn({ redis })).toBe(address);
});

test('a plan takes the place of no device or folder, not even with --force', () => {
  for (const place of ['/dev/null', folder])
    expect(() => writePlan(place, header, true)).toThrow(`${place}: is no file; give another name`);
  expect(readdirSync(folder)).toEqual([]);
});

test('apply does the acts of a written plan and no others, and names what has moved', async () => {
  await seedJob(redis, 'hung', { age: 100_000, web_hook_url: url, parameters: `{"key":"${secret}"}` });
  await seedJob(redis, 'moves', { age: 100_000 });
  await seedJob(redis, 'leaves', { status: 'Success' });
  await seedJob(redis, 'other-type', { age: 100_000, name: 'Y' });
  const plan = await reaper('sweep', '--plan', '--type', 'X', '--out', file, '--exit-code');
  expect([plan.code, plan.stderr]).toEqual([3, '']);
  expect(plan.stdout).toContain(`written: ${file}. To do exactly this: reaper apply ${file}`);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const text = readFileSync(file, 'utf8');
  expect(text).not.toContain(secret);
  const [first, ...lines] = linesOf(text);
  expect(first).toMatchObject({ schema: 2, type: 'plan', kind: 'sweep', namespace: 't' });
  expect(first.redis).toBe(server.url);
  expect(lines.pop()).toEqual({ type: 'end', count: 3 });
  expect(lines).toContainEqual({
    ...{ id: 'hung', verdict: 'fail', reason: 'hung', fingerprint: expect.stringMatching(/^[0-9a-f]{40}$/) },
    ...{ job: 'X', status: 'Running', endpoint: 'http://127.0.0.1:1' },
  });

  await redis.hset('t:job_stats:moves', 'update_time', second());
  await redis.hdel('t:job_track:inprogress', 'leaves');
  await seedJob(redis, 'later', { age: 100_000 });
  const applied = await reaper('apply', file);
  expect(applied.code).toBe(1);
  expect(applied.stdout).toMatch(
    /^moves: not done, its facts have changed: it is Running, a sweep would say keep \(ongoing\)$/m,
  );
  expect(applied.stdout).toMatch(/^leaves: not done, it is not tracked any more$/m);
  expect(applied.stdout).toMatch(/^3 planned: 1 done, 2 moved, 0 failed, in [\d,]+ ms$/m);
  for (const id of ['later', 'other-type', 'moves'])
    expect(await redis.hget(`t:job_stats:${id}`, 'status')).toBe('Running');
  expect(await redis.hget('t:job_stats:hung', 'status')).toBe('Error');
  const audit = linesOf((await reaper('audit', '--id', 'hung', '--json')).stdout);
  expect(audit[0]).toMatchObject({ what: 'fail', why: 'hung' });

  const again = await reaper('sweep', '--plan', '--out', file);
  expect([again.code, again.stderr]).toEqual([
    2,
    `reaper: ${file}: exists already; give another name, or --force to replace it\n`,
  ]);
  expect(readFileSync(file, 'utf8')).toBe(text);
  chmodSync(file, 0o644);
  expect((await reaper('sweep', '--plan', '--out', file, '--force')).code).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const done = await reaper('apply', '--json', file);
  expect(done.code).toBe(0);
  expect(linesOf(done.stdout).at(-1)).toMatchObject({ type: 'summary', planned: 2, done: 2, moved: 0, failed: 0 });
  expect(readdirSync(folder)).toEqual(['plan.jsonl']);

  expect(done.stderr).not.toContain('the plan was made for');
  writeFileSync(file, readFileSync(file, 'utf8').replace(server.url, 'redis://other/1'));
  const elsewhere = await reaper('apply', file);
  expect(elsewhere.stderr).toContain(`reaper: the plan was made for redis://other/1, and this is ${server.url}\n`);
});

test('a plan of a rescue is applied pool by pool, and what has moved is named', async () => {
  for (const pool of ['p1', 'p2', 'p3'])
    await seedPool(redis, pool, { heartbeat: second(-100), holds: new Map([['X', [`${pool}-a`, `${pool}-b`]]]) });
  const written = await reaper('rescue', '--plan', '--grace', '0', '--out', file);
  expect([written.code, written.stderr]).toEqual([0, '']);
  const lines = linesOf(readFileSync(file, 'utf8'));
  expect(lines[0]).toMatchObject({ kind: 'rescue', namespace: 't' });
  expect(lines.find(({ pool }) => pool === 'p1')).toEqual({
    ...{ pool: 'p1', heartbeat: expect.any(String), entries: { X: 2 }, poison: [] },
    marks: { X: ['p1-b', 'p1-a'].map((id) => markOf('r', entryOf(id))).join('') },
    traces: { isRegistered: true, hasHeartbeat: true, lockInfo: ['X'] },
  });
  await redis.hset('t:worker_pools:p2', 'heartbeat_at', second(5) - 5);
  await redis.lpush('t:jobs:X:p3:inprogress', entryOf('p3-c'));
  const applied = await reaper('apply', file, '--grace', '0');
  expect(applied.code).toBe(1);
  expect(applied.stdout).toMatch(/^p2: not done, it is alive or gone$/m);
  expect(applied.stdout).toMatch(/^p3: not done, not as planned: it holds 3 entries of X, and 2 were planned$/m);
  expect(applied.stdout).toMatch(/^3 planned: 1 done, 2 moved, 0 failed, in [\d,]+ ms$/m);
  expect((await idsIn(redis, 't:jobs:X')).sort()).toEqual(['p1-a', 'p1-b']);
  const again = await reaper('apply', file, '--grace', '0', '--json');
  expect(linesOf(again.stdout).at(-1)).toMatchObject({ type: 'summary', planned: 3, done: 0, moved: 3, failed: 0 });
});

test('a plan that cannot be written to its end leaves no file, and one line says why', async () => {
  // More than is written at once, so that a write fails while the pass goes on.
  for (let i = 0; i < 900; i++) await seedJob(redis, `hung-${i}`, { age: 100_000 });
  // A limit of this process takes the place of a full disk.
  const words = ['sweep', '--plan', '--out', file, '--namespace', 't'];
  const child = spawn(
    'sh',
    ['-c', 'ulimit -f 100; exec "$@"', 'sh', process.execPath, builtOf('src/cli/main.ts'), ...words],
    {
      env: { ...process.env, REAPER_REDIS: server.url.replace('redis://', `redis://:${secret}@`) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const { stdout, stderr, code } = await watchCli(child).ended;
  expect([code, stderr]).toEqual([2, `reaper: ${file}: cannot be written (EFBIG)\n`]);
  expect(stdout).toContain('900 fail');
  expect(readdirSync(folder)).toEqual([]);
});

test('a plan of a rescue holds every change that it prints, and what has moved of them is named', async () => {
  const parameters = `{"key":"${secret}"}`;
  const ids = ['goes', 'stays', 'ended', 'poison'];
  await seedPool(redis, 'live', { heartbeat: second(5) - 5, jobNames: 'X', holds: new Map([['X', ids]]) });
  await redis.hset('t:worker_pools:live', 'worker_ids', 'w');
  await redis.hset('t:worker:w', { job_name: 'X', job_id: 'run', started_at: second(-50), args: '' });
  for (const id of ids) {
    const status = id === 'ended' ? 'Success' : 'Pending';
    await seedJob(redis, id, { status, age: 600, parameters, web_hook_url: url });
  }
  const deaths = [1, 2, 3].map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]);
  await redis.hset('t:reaper:recoveries', 'poison', JSON.stringify(deaths));
  await redis.set('t:jobs:D:lock', 4);
  await redis.set('t:jobs:E:lock', 4);
  const quick = ['--grace', '0', '--rescue-orphaned-after', '0'];
  const written = await reaper('rescue', '--plan', '--out', file, '--pool', 'live', ...quick);
  const actsOf = () => linesOf(readFileSync(file, 'utf8')).flatMap(({ act = [] }) => act);
  expect(actsOf().sort()).toEqual(['finish', 'quarantine', 'requeue-orphan', 'requeue-orphan']);
  const whole = await reaper('rescue', '--plan', '--out', file, '--force', ...quick);
  expect([written.code, whole.code]).toEqual([0, 0]);
  expect(whole.stdout).toMatch(/^lock of D that would be written: 4 → 0; it was off by 4$/m);
  expect(whole.stdout).not.toContain('not part of the plan file');
  const text = readFileSync(file, 'utf8');
  expect(text).not.toContain(secret);
  const lines = linesOf(text);
  const sha1 = expect.stringMatching(/^[0-9a-f]{40}$/);
  for (const line of [
    { act: 'rebuild-counters', type: 'D', fingerprint: sha1 },
    { act: 'requeue-orphan', id: 'stays', type: 'X', pool: 'live', entry: sha1, copies: 1, fingerprint: sha1 },
    { act: 'finish', id: 'ended', type: 'X', pool: 'live', entry: sha1, copies: 1, fingerprint: sha1 },
    { act: 'quarantine', id: 'poison', type: 'X', pool: 'live', entry: sha1, copies: 1, fingerprint: sha1 },
  ])
    expect(lines).toContainEqual(line);
  expect(lines.at(-1)).toEqual({ type: 'end', count: 6 });

  await redis.lrem('t:jobs:X:live:inprogress', 1, entryOf('goes'));
  await redis.incr('t:jobs:E:lock');
  const applied = await reaper('apply', file, ...quick);
  expect(applied.code).toBe(1);
  expect(applied.stdout).toMatch(/^goes in pool live: not done, it is not in the in-progress list any more$/m);
  expect(applied.stdout).toMatch(
    /^counters of E: not done, its counters are not wrong in the way that was planned, or /m,
  );
  expect(applied.stdout).toMatch(/^6 planned: 4 done, 2 moved, 0 failed, in [\d,]+ ms$/m);
  expect(await idsIn(redis, 't:jobs:X')).toEqual(['stays']);
  expect(await Promise.all(['D', 'E'].map((type) => redis.get(`t:jobs:${type}:lock`)))).toEqual(['0', '5']);
});

test('counters that no later step can compare are printed apart, as no part of the file', async () => {
  await redis.set('t:jobs:MANY:lock', 7);
  await redis.set('t:jobs:FEW:lock', 7);
  await redis.hset('t:jobs:MANY:lock_info', Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`${i}`, 0])));
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    const given = opened.create({ redis: server.url.replace('redis://', `redis://:${secret}@`) });
    await rescue(given, { plan: true, grace: 0, out: file }, writePlan(file, { ...header, kind: 'rescue' }, false));
    const text = write.mock.calls.map(([chunk]) => `${chunk}`).join('');
    expect(text).toMatch(/^lock of MANY that would be written: 7 → 0; it was off by 7$/m);
    expect(text.match(/^not part of the plan file: .*/gm)).toEqual([
      'not part of the plan file: the counters of MANY, because it has too many lists to compare in one step; a rescue rebuilds them',
    ]);
  } finally {
    write.mockRestore();
  }
  const { changes } = readPlan(file, 't');
  const types = changes.flatMap((act) => ('act' in act && act.act === 'rebuild-counters' ? [act.type] : []));
  expect([types, changes.length]).toEqual([['FEW'], 1_002]);
});

test('a plan that is not complete leaves no file', () => {
  const writer = writePlan(file, header, false);
  writer.add({ id: 'a' });
  writer.discard();
  writer.discard();
  expect(readdirSync(folder)).toEqual([]);
});

test('a plan whose file exists is refused before it is made', () => {
  writeFileSync(file, 'mine');
  expect(() => writePlan(file, header, false)).toThrow('exists already');
  expect(readdirSync(folder)).toEqual(['plan.jsonl']);
});

test('a file that comes up while a plan is made is not replaced', () => {
  const writer = writePlan(file, header, false);
  writeFileSync(file, 'mine');
  expect(() => writer.finish()).toThrow('exists already');
  expect(readFileSync(file, 'utf8')).toBe('mine');
  expect(readdirSync(folder)).toEqual(['plan.jsonl']);
});

const act = { id: 'a', verdict: 'fail', reason: 'hung', fingerprint: 'f' };
const plan = { schema: 2, type: 'plan', ...header };
const pool = { pool: 'p', heartbeat: '', entries: { X: 1 }, poison: [], marks: { X: `r${'0'.repeat(11)}` } };
const counters = { act: 'rebuild-counters', type: 'X', fingerprint: 'f' };
const end = { type: 'end', count: 1 };
test.each<[string, readonly (object | string)[], string]>([
  ['an empty file', [], ':1: '],
  ['another file', ['hello'], ':1: the first line of a plan: must be a JSON object'],
  ['another version', [{ ...plan, schema: 1 }, act, end], ':1: schema: must be 2'],
  ['another namespace', [{ ...plan, namespace: 'u' }, act, end], ':1: is a plan for the namespace u, not t'],
  ['another kind', [{ ...plan, kind: 'purge' }, act, end], ':1: kind: '],
  ['an act that does nothing', [plan, { ...act, verdict: 'keep' }, end], ':2: verdict: '],
  ['an act without a fingerprint', [plan, { ...act, fingerprint: undefined }, end], ':2: fingerprint: '],
  [
    'a line that is no JSON',
    [plan, act, '{"id":', { type: 'end', count: 2 }],
    ':3: a line of a plan: must be a JSON object',
  ],
  ['a pool in a plan of a sweep', [plan, { pool: 'p' }, end], ':2: verdict: '],
  ['a job in a plan of a rescue', [{ ...plan, kind: 'rescue' }, act, end], ':2: pool: '],
  ['a pool without marks', [{ ...plan, kind: 'rescue' }, { ...pool, marks: undefined }, end], ':2: marks: must be an'],
  ['marks of no entries', [{ ...plan, kind: 'rescue' }, { ...pool, marks: { X: 'r0' } }, end], ':2: marks: must be an'],
  ['too few marks', [{ ...plan, kind: 'rescue' }, { ...pool, marks: {} }, end], ':2: marks: must have as many'],
  ['an act that is not known', [{ ...plan, kind: 'rescue' }, { act: 'keep' }, end], ':2: act: must be one of '],
  [
    'a fact that is not known',
    [{ ...plan, kind: 'rescue' }, { ...counters, at: 1 }, end],
    ':2: a line of a plan: Unrec',
  ],
  ['no end', [plan, act], ':2: the plan is not complete'],
  ['a header alone', [plan], ':1: the plan is not complete'],
  ['too few acts', [plan, act, { type: 'end', count: 2 }], ':3: the plan is not complete'],
])('a plan with %s is refused, with the line', (_, lines, message) => {
  writeFileSync(file, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  expect(() => readPlan(file, 't')).toThrow(`${file}${message}`);
});

test('wrong flags end with 2, and leave no file', async () => {
  for (const [args, message] of [
    [['sweep', '--out', file], '--out: use it with --plan'],
    [['sweep', '--plan', '--force'], '--force: use it with --plan --out'],
    [['sweep', '--plan', '--out', join(file, 'x')], 'cannot be written (ENOENT)'],
    [['sweep', '--verdict', 'keep'], 'fail, refire, reset, untrack'],
    [['sweep', '--limit', '0'], 'It must be a whole number above 0.'],
    [['sweep', '--id', ''], 'It must not be empty.'],
    [['apply', file], 'cannot be read (ENOENT)'],
    [['explain', ''], 'It must not be empty.'],
  ] as const) {
    const { code, stderr } = await reaper(...args);
    expect([args, code, stderr]).toEqual([args, 2, expect.stringContaining(message)]);
  }
  expect(existsSync(file)).toBe(false);
});
