/** One plan of a rescue that two processes apply: at once, and after the first was killed. Real processes, a real Redis. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { writePlan } from '../../src/cli/planFile.ts';
import type { AppliedActs, PlannedChange, PoolOutcome } from '../../src/index.ts';
import { type ScriptName, scriptOfDigest } from '../../src/io/redis/scripts.ts';
import { callCli, launchCli, runCli, watchCli } from '../support/cli.ts';
import { redisFixture } from '../support/fixture.ts';
import { second, seedJob } from '../support/jobs.ts';
import { idsIn, seedPool } from '../support/pools.ts';
import { startProxy } from '../support/proxy.ts';

const { server, redis, opened } = await redisFixture();
const folder = mkdtempSync(join(tmpdir(), 'plans-'));
const file = join(folder, 'plan.jsonl');
afterAll(() => rmSync(folder, { recursive: true }));
const secret = 'hunter2';
/** Longer than any run of this test: the live pool writes no heartbeat meanwhile. */
const heartbeatTimeout = '1h';

/** `reaper apply` behind a proxy that stops it before it calls a script for the nth time. */
const applyUntil = async (script: ScriptName, nth = 1) => {
  const proxy = await startProxy(server.port);
  let calls = 0;
  const held = proxy.holdAt((chunk) => {
    const digests = chunk.matchAll(/evalsha\r\n\$40\r\n([0-9a-f]{40})/gi);
    for (const [, digest = ''] of digests) if (scriptOfDigest(digest.toLowerCase()) === script) calls += 1;
    return calls >= nth;
  });
  const child = launchCli(applyOn(`redis://127.0.0.1:${proxy.port}`));
  const { ended } = watchCli(child);
  // If it ends before, the test fails by what it has done.
  await Promise.race([held.reached, ended]);
  return { child, ended, ...held, stop: () => proxy.stop() };
};
const applyOn = (url: string) => {
  const quick = ['--grace', '0', '--rescue-orphaned-after', '0', '--rescue-batch-size', '1', '--json'];
  return ['apply', file, '--redis', url, '--namespace', 't', ...quick, '--rescue-heartbeat-timeout', heartbeatTimeout];
};

interface Line {
  readonly type: string;
  readonly entries?: PoolOutcome['entries'];
  readonly planned?: number;
  readonly done?: number;
  readonly moved?: number;
  readonly failed?: number;
  readonly rescue?: { readonly applied: AppliedActs };
}
const linesOf = (text: string): Line[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const summaryOf = (text: string) => linesOf(text).at(-1) as Line;

const deaths = JSON.stringify([1, 2, 3].map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]));
let acts: readonly PlannedChange[];
beforeEach(async () => {
  rmSync(file, { force: true });
  await seedPool(redis, 'dead', { heartbeat: second(-7_200), holds: new Map([['X', ['a', 'bad', 'b', 'c']]]) });
  await seedPool(redis, 'live', {
    heartbeat: second(5) - 5,
    jobNames: 'L',
    holds: new Map([['L', ['orphan', 'ended', 'poison']]]),
  });
  await redis.hset('t:worker_pools:live', 'worker_ids', 'w');
  await redis.hset('t:worker:w', { job_name: 'L', job_id: 'run', started_at: second(-50), args: '' });
  for (const id of ['orphan', 'poison', 'ended', 'bad']) {
    const status = id === 'ended' ? 'Success' : 'Pending';
    await seedJob(redis, id, {
      status,
      age: 600,
      parameters: `{"key":"${secret}"}`,
      web_hook_url: `http://${secret}@x`,
    });
  }
  for (const id of ['bad', 'poison']) await redis.hset('t:reaper:recoveries', id, deaths);
  await redis.set('t:jobs:D:lock', 4);
  await redis.hset('t:jobs:X:lock_info', { dead: 9 });
  const reaper = opened.create({ redis: server.url, rescue: { orphanedAfter: 0, heartbeatTimeout } });
  ({ acts = [] } = await reaper.rescue({ plan: true, grace: 0 }));
  const header = { kind: 'rescue', namespace: 't', redis: server.url, createdAt: '2026-01-01T00:00:00Z' } as const;
  const writer = writePlan(file, header, false);
  for (const act of acts) writer.add(act);
  writer.finish();
});

/** Each act of the plan was done once: in Redis, and by the audit stream. */
const expectAllDoneOnce = async () => {
  expect((await idsIn(redis, 't:jobs:X')).sort()).toEqual(['a', 'b', 'c']);
  expect(await idsIn(redis, 't:jobs:L')).toEqual(['orphan']);
  const dead = await redis.zrange('t:dead', 0, '-1');
  expect(dead.map((entry) => JSON.parse(entry).id).sort()).toEqual(['bad', 'poison']);
  expect(await redis.smembers('t:worker_pools')).toEqual(['live']);
  expect(await redis.exists('t:jobs:L:live:inprogress', 't:jobs:X:dead:inprogress')).toBe(0);
  expect(await Promise.all(['X', 'L', 'D'].map((type) => redis.get(`t:jobs:${type}:lock`)))).toEqual(['0', '0', '0']);
  const counts: Record<string, number> = {};
  for (const [, fields] of await redis.xrange('t:reaper:audit', '-', '+')) {
    const {
      what = '',
      n = '1',
      was,
    } = Object.fromEntries(fields.flatMap((_, i) => (i % 2 ? [] : [fields.slice(i, i + 2)])));
    // Who comes second finds nothing to remove.
    if (what !== 'deregister' || was !== undefined) counts[what] = (counts[what] ?? 0) + Number(n);
  }
  expect(counts).toEqual({
    ...{ requeue: 3, quarantine: 2, 'requeue-orphan': 1, 'remove-stale': 1, deregister: 1 },
    'rebuild-counters': expect.any(Number),
  });
};

test('two processes that apply one plan at once do each act once, and the second one reports it as moved', async () => {
  expect(readFileSync(file, 'utf8')).not.toContain(secret);
  const both = await Promise.all([applyUntil('rebuild_counters'), applyUntil('rebuild_counters')]);
  for (const { release } of both) release();
  const outputs = await Promise.all(both.map(({ ended }) => ended));
  await Promise.all(both.map(({ stop }) => stop()));
  await expectAllDoneOnce();
  const summaries = outputs.map(({ stdout }) => summaryOf(stdout));
  const live = acts.filter((act) => 'act' in act);
  const applied = summaries.flatMap(({ rescue }) => (rescue === undefined ? [] : [rescue.applied]));
  const textsOf = (some: readonly PlannedChange[]) => some.map((act) => JSON.stringify(act)).sort();
  expect(textsOf(applied.flatMap(({ done }) => done))).toEqual(textsOf(live));
  expect(textsOf(applied.flatMap(({ left }) => left.map(({ act }) => act)))).toEqual(textsOf(live));
  for (const { left } of applied) expect(left.filter(({ isMoved }) => !isMoved)).toEqual([]);
  for (const { planned, done = 0, moved = 0, failed } of summaries)
    expect([planned, done + moved, failed]).toEqual([acts.length, acts.length, 0]);
  const requeued = outputs.flatMap(({ stdout }) => linesOf(stdout)).map(({ entries = 0 }) => entries);
  expect(requeued.reduce((sum, count) => sum + count, 0)).toBe(3);
});

test('what a process that was killed has left of a plan is done by the next one, and nothing twice', async () => {
  // The first entry was requeued, and the second one quarantined.
  const first = await applyUntil('requeue', 3);
  first.child.kill('SIGKILL');
  await first.ended;
  await first.stop();
  expect(await idsIn(redis, 't:jobs:X')).toEqual(['a']);
  expect(await idsIn(redis, 't:jobs:X:dead:inprogress')).toEqual(['c', 'b']);
  expect(await redis.hexists('t:reaper:quarantine', 'bad')).toBe(1);
  const second = await callCli(applyOn(server.url));
  await expectAllDoneOnce();
  const { planned, done = 0, moved = 0, failed } = summaryOf(second.stdout);
  expect([planned, done + moved, failed]).toEqual([acts.length, acts.length, 0]);
  expect(linesOf(second.stdout)).toContainEqual(
    expect.objectContaining({ type: 'pool', pool: 'dead', outcome: 'rescued', moved: { X: 2 } }),
  );
  const third = await runCli(applyOn(server.url));
  expect([third.code, summaryOf(third.stdout)]).toEqual([1, expect.objectContaining({ done: 0, moved: acts.length })]);
  await expectAllDoneOnce();
});
