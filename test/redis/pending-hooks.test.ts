/** A hook that is pending already is no change: every surface says so of the same state. A real Redis. */
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { JobOutcome, ReaperOptions, SweepOptions } from '../../src/index.ts';
import { createTestClock } from '../support/clock.ts';
import { redisFixture } from '../support/fixture.ts';
import { loseReplies, seedJob, seedWithHook, unheard } from '../support/jobs.ts';

const { server, redis, opened, keys } = await redisFixture();
const create = (options: Partial<ReaperOptions> = {}) => opened.create({ redis: server.url, ...options });

const swept = async (given: SweepOptions = {}, reaper = create()) => {
  const jobs: JobOutcome[] = [];
  reaper.on('job', (job) => void jobs.push(job));
  const summary = await reaper.sweep(given);
  return { jobs, summary, said: jobs.map(({ id, outcome }) => `${id} ${outcome}`).sort() };
};
/** All that Redis holds of hooks and acts. */
const held = async () => ({
  hooks: await redis.hgetall(keys.hooks),
  due: await redis.zrange(keys.dueHooks(unheard), '0', '-1', 'WITHSCORES'),
  parked: await redis.zrange(keys.parkedHooks, '0', '-1', 'WITHSCORES'),
  audit: await redis.xlen(keys.audit),
});

const kinds = ['pending', 'asked', 'sending', 'resending', 'parked'] as const;
const seedKinds = async () => {
  for (const kind of kinds) await seedWithHook(redis, kind, kind);
};
const saidOfKinds = kinds.map((kind) => `${kind} ${kind === 'parked' ? 'parked' : 'already-pending'}`).sort();

test('a plan and a sweep count it, do nothing, and record nothing', async () => {
  await seedKinds();
  const before = await held();
  for (const plan of [true, false, true]) {
    const { jobs, said, summary } = await swept({ plan });
    expect(said).toEqual(saidOfKinds);
    expect(jobs.filter(({ act }) => act !== undefined)).toEqual([]);
    expect(summary).toMatchObject({
      ...{ scanned: 5, verdicts: { refire: 5 }, reasons: { unacknowledged: 5 } },
      outcomes: { 'already-pending': 4, parked: 1 },
    });
    expect(await held()).toEqual(before);
  }
});

test('a hook that this sweep has enqueued is pending for the next one', async () => {
  for (const id of ['a', 'b']) await seedJob(redis, id, { status: 'Success', web_hook_url: `${unheard}/x` });
  // No time passes: a hook that has failed is not due again.
  const reaper = create({ clock: createTestClock() });
  expect((await reaper.sweep()).outcomes).toEqual({ enqueued: 2 });
  await reaper.hooks.quiet();
  const before = await held();
  expect((await reaper.sweep()).outcomes).toEqual({ 'already-pending': 2 });
  expect(await held()).toEqual(before);
  expect(before.audit).toBe(1);
});

test('log, metrics, status and summary agree', async () => {
  await seedKinds();
  const lines: { code: string; level: number }[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const reaper = create({ logger });
  const { outcomes } = await reaper.sweep();
  const pending = outcomes['already-pending'];
  expect(lines.filter(({ code }) => code === 'job')).toEqual([]);
  const [line] = lines.filter(({ code }) => code === 'sweep');
  expect(line).toMatchObject({ sweep: { scanned: 5, outcomes }, acts: [] });
  expect(line).not.toHaveProperty('unlisted');
  const metrics = await reaper.metrics();
  expect(metrics).toMatch(
    new RegExp(`job_acts_total\\{verdict="refire",outcome="already-pending"\\} ${pending}$`, 'm'),
  );
  expect(metrics).toMatch(/job_acts_total\{verdict="refire",outcome="parked"\} 1$/m);
  expect(metrics).not.toMatch(/job_acts_total\{verdict="refire",outcome="enqueued"\}/);
  const { hooks, tracked, problems } = await reaper.status();
  expect(hooks).toMatchObject({ pending, parked: 1, endpoints: [{ pending }] });
  // Final jobs whose hooks are parked are not in progress.
  expect(tracked).toMatchObject({ total: 4, byVerdict: { refire: 4 }, refireWithHook: 4, parkedFinal: 1 });
  expect(problems.map(({ code }) => code)).not.toContain('jobs-to-repair');
});

test('a sweep has no lines for hooks that have to wait because too many do, and its own line counts them', async () => {
  for (let i = 0; i < 3; i++) await seedWithHook(redis, `a${i}`);
  await seedJob(redis, 'untold', { status: 'Success', web_hook_url: `${unheard}/x` });
  const lines: { code: string; acts?: unknown; sweep?: unknown }[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  await create({ logger, hooks: { maxRecords: 2 } }).sweep();
  expect(lines.filter(({ code }) => code === 'job')).toEqual([]);
  expect(lines.filter(({ code }) => code === 'sweep')).toMatchObject([
    { acts: [], sweep: { outcomes: { 'already-pending': 3, deferred: 1 } } },
  ]);
});

test('status counts a job to repair exactly if a plan lists it', async () => {
  await seedKinds();
  for (const kind of kinds) await seedWithHook(redis, `changed-${kind}`, kind, { state: 'Running:1' });
  await seedJob(redis, 'untold', { status: 'Success', web_hook_url: `${unheard}/x` });
  const { jobs } = await swept({ plan: true });
  const planned = jobs.flatMap(({ id, act }) => (act === undefined ? [] : [id]));
  expect(planned.sort()).toEqual(['changed-asked', 'changed-parked', 'changed-pending', 'untold']);
  const { problems } = await create().status();
  expect(problems.find(({ code }) => code === 'jobs-to-repair')?.counts).toMatchObject({ jobs: 4, refire: 4 });
});

test('a hook of another state is enqueued again, and one that is being sent is left to its host', async () => {
  await seedWithHook(redis, 'changed', 'pending', { state: 'Running:1' });
  await seedWithHook(redis, 'held', 'sending', { state: 'Running:1' });
  await seedWithHook(redis, 'moved', 'pending', { to: 'http://127.0.0.1:2' });
  expect((await swept({ plan: true })).said).toEqual([
    'changed planned',
    'held already-pending',
    'moved already-pending',
  ]);
  const before = await held();
  expect((await swept()).said).toEqual(['changed enqueued', 'held already-pending', 'moved already-pending']);
  const after = await held();
  expect(after.hooks).toMatchObject({ held: before.hooks.held, moved: before.hooks.moved });
  expect(after.hooks.changed).not.toBe(before.hooks.changed);
  expect(after.audit).toBe(1);
});

test('this host sends a hook that was pending already, if it is due', async () => {
  await seedWithHook(redis, 'a', 'pending', { dueIn: -1_000 });
  const reaper = create();
  const attempts: string[] = [];
  reaper.on('hook', ({ id, outcome }) => void attempts.push(`${id} ${outcome}`));
  expect((await reaper.sweep()).outcomes).toEqual({ 'already-pending': 1 });
  await reaper.hooks.quiet();
  expect(attempts).toEqual(['a failed']);
});

test.each([true, false])('it takes none of a limit; plan: %s', async (plan) => {
  for (let i = 0; i < 30; i++) await seedWithHook(redis, `a${i}`, i % 3 === 0 ? 'parked' : 'pending');
  for (let i = 0; i < 10; i++) await seedJob(redis, `b${i}`, { status: 'Success', web_hook_url: `${unheard}/x` });
  const pages = { sweep: { pageSize: 10 } };
  const { jobs, summary } = await swept({ plan, limit: 4 }, create(pages));
  const act = plan ? 'planned' : 'enqueued';
  expect(jobs.filter(({ outcome }) => outcome === act)).toHaveLength(4);
  expect(summary).toMatchObject({ isLimited: true, outcomes: { [act]: 4 } });
  expect(Object.values(summary.outcomes).reduce((sum, count) => sum + count, 0)).toBe(summary.scanned);
  expect(await redis.hlen(keys.hooks)).toBe(plan ? 30 : 34);
  const rest = await swept({ plan, limit: 40 }, create(pages));
  expect(rest.summary.isLimited).toBeUndefined();
  expect(rest.summary.outcomes[act]).toBe(plan ? 10 : 6);
});

test('a sweep that loses the reply for a page says that it has enqueued the hooks, once', async () => {
  for (const id of ['a', 'b']) await seedJob(redis, id, { status: 'Success', web_hook_url: `${unheard}/x` });
  await seedWithHook(redis, 'c');
  const client = loseReplies(redis, ['enqueue_hooks'], { times: 2 });
  const { said } = await swept({}, create({ redis: opened.hold(client) }));
  expect(client.lost).toBe(2);
  expect(said).toEqual(['a enqueued', 'b enqueued', 'c already-pending']);
  expect(await redis.xlen(keys.audit)).toBe(1);
});

describe('explain says what a sweep does', () => {
  const explained = async (id: string) => {
    const { action, hook, verdict } = await create().explain(id);
    return { verdict, action, hook };
  };

  test('with the next attempt of the hook', async () => {
    await seedWithHook(redis, 'a');
    const due = Number(await redis.zscore(keys.dueHooks(unheard), 'a'));
    expect(await explained('a')).toMatchObject({
      ...{ verdict: 'refire', action: 'nothing: its hook is pending already' },
      hook: { state: 'pending', attempts: 3, answer: '503', nextAttemptAt: new Date(due).toISOString() },
    });
  });

  test('not before the circuit of its endpoint lets a probe through', async () => {
    await seedWithHook(redis, 'a', 'pending', { dueIn: -1_000 });
    const [due, openUntil] = [Number(await redis.zscore(keys.dueHooks(unheard), 'a')), Date.now() + 600_000];
    const nextAttempt = async () => Date.parse((await explained('a')).hook?.nextAttemptAt ?? '');
    await redis.hset(keys.hookEndpoint(unheard), { failures: 9, open_until: openUntil, probe_until: openUntil - 1 });
    expect(await nextAttempt()).toBe(due);
    await redis.hset(keys.hookEndpoint(unheard), { failures: 10 });
    expect(await nextAttempt()).toBe(openUntil);
    await redis.hset(keys.hookEndpoint(unheard), { probe_until: openUntil + 1 });
    expect(await nextAttempt()).toBe(openUntil + 1);
  });

  test('of one that is being sent, parked, of another state, or none', async () => {
    await seedWithHook(redis, 'sent', 'sending');
    await seedWithHook(redis, 'given-up', 'parked');
    await seedWithHook(redis, 'changed', 'pending', { state: 'Running:1' });
    await seedJob(redis, 'untold', { status: 'Success', web_hook_url: `${unheard}/x` });
    const claimEnd = new Date(Number(await redis.zscore(keys.dueHooks(unheard), 'sent'))).toISOString();
    expect(await explained('sent')).toMatchObject({
      ...{ action: 'nothing: its hook is pending already', hook: { state: 'sending', nextAttemptAt: claimEnd } },
    });
    expect(await explained('given-up')).toMatchObject({
      action: 'nothing: its hook is parked, until the job changes or a person retries it',
      hook: { nextAttemptAt: undefined },
    });
    expect(await explained('changed')).toMatchObject({ action: 'send the hook again' });
    expect(await explained('untold')).toMatchObject({ action: 'send the hook again', hook: undefined });
    await redis.hdel(keys.track, 'sent');
    expect((await explained('sent')).action).toBe('nothing: the job is not tracked, so no sweep judges it');
  });

  test('where too many hooks wait', async () => {
    for (let i = 0; i < 3; i++) await seedWithHook(redis, `a${i}`);
    await seedJob(redis, 'untold', { status: 'Success', web_hook_url: `${unheard}/x` });
    const reaper = create({ hooks: { maxRecords: 2 } });
    expect((await reaper.explain('untold')).action).toBe(
      'nothing: too many hooks wait, and the next sweep tries again',
    );
    expect((await reaper.sweep({ ids: ['untold'] })).outcomes).toEqual({ deferred: 1 });
  });
});
