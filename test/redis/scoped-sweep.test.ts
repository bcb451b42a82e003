/** A sweep of some jobs, verdicts or acts touches nothing else. A real Redis. */
import { describe, expect, test } from 'vitest';
import type { JobOutcome, PlannedAct, Reaper, ReaperOptions, SweepOptions } from '../../src/index.ts';
import { redisFixture } from '../support/fixture.ts';
import { ackText, intercept, isCallOf, seedJob, seedWithHook, unheard } from '../support/jobs.ts';

const { server, redis, opened } = await redisFixture();
const create = (options: Partial<ReaperOptions> = {}) => opened.create({ redis: server.url, ...options });

/** What a sweep has said of jobs, as `id verdict outcome`, and its summary. */
const swept = async (given: SweepOptions, reaper: Reaper = create()) => {
  const outcomes: JobOutcome[] = [];
  reaper.on('job', (outcome) => void outcomes.push(outcome));
  const summary = await reaper.sweep(given);
  return { outcomes, said: outcomes.map(({ id, verdict, outcome }) => `${id} ${verdict} ${outcome}`).sort(), summary };
};
const statusOf = (id: string) => redis.hget(`t:job_stats:${id}`, 'status');

/** Jobs of every verdict and of two types. */
const seed = async () => {
  for (const type of ['X', 'Y']) {
    await seedJob(redis, `hung-${type}`, { name: type, age: 100_000 });
    await seedJob(redis, `fine-${type}`, { name: type });
    await seedJob(redis, `done-${type}`, { name: type, status: 'Success' });
    await seedJob(redis, `untold-${type}`, { name: type, status: 'Success', web_hook_url: 'http://127.0.0.1:1/x' });
    const at = await seedJob(redis, `behind-${type}`, { name: type });
    await redis.hset(`t:job_stats:behind-${type}`, 'ack', ackText('Success', at));
  }
  await redis.hset('t:job_track:inprogress', 'missing', 2);
};

describe('a sweep of', () => {
  test('ids acts on these jobs, scans no others, and names those that are not tracked', async () => {
    await seed();
    const { said, summary } = await swept({ ids: ['hung-X', 'gone', 'fine-X', 'hung-X', 'missing'] });
    expect(said).toEqual(['fine-X keep kept', 'hung-X fail done', 'missing untrack done']);
    expect(summary).toMatchObject({ isScoped: true, scanned: 3, notFound: ['gone'] });
    expect([await statusOf('hung-X'), await statusOf('hung-Y')]).toEqual(['Error', 'Running']);
    await redis.config('RESETSTAT');
    await create().sweep({ ids: ['fine-Y'] });
    expect(await redis.info('commandstats')).not.toContain('cmdstat_hscan:');
  });

  test('more ids than a page has reads all of them', async () => {
    const ids = Array.from({ length: 25 }, (_, i) => `j${i}`);
    for (const id of ids) await seedJob(redis, id, { age: 100_000 });
    const { summary } = await swept({ ids: [...ids, 'gone'] }, create({ sweep: { pageSize: 10 } }));
    expect(summary).toMatchObject({ scanned: 25, outcomes: { done: 25 }, notFound: ['gone'] });
  });

  test('types judges the jobs of these types only', async () => {
    await seed();
    const { said, summary } = await swept({ types: ['Y', 'Z'] });
    expect(said).toEqual([
      ...['behind-Y reset done', 'done-Y untrack done', 'fine-Y keep kept'],
      ...['hung-Y fail done', 'untold-Y refire enqueued'],
    ]);
    expect(summary.scanned).toBe(5);
    expect(await statusOf('hung-X')).toBe('Running');
  });

  test.each(['fail', 'refire', 'reset', 'untrack'] as const)('verdicts does no act but %s', async (verdict) => {
    await seed();
    const { outcomes, summary } = await swept({ verdicts: [verdict], types: ['X'] });
    expect(outcomes.map((outcome) => outcome.verdict)).toEqual([verdict]);
    expect(summary).toMatchObject({ scanned: 5, verdicts: { [verdict]: 1 } });
    expect(await redis.hexists('t:job_track:inprogress', 'done-X')).toBe(verdict === 'untrack' ? 0 : 1);
    expect(await redis.hlen('t:reaper:hooks')).toBe(verdict === 'refire' ? 1 : 0);
  });

  test.each([true, false])('a limit ends after that many acts, whatever it keeps; plan: %s', async (plan) => {
    for (let i = 0; i < 30; i++) await seedJob(redis, `h${i}`, { age: 100_000 });
    for (let i = 0; i < 30; i++) await seedJob(redis, `k${i}`);
    for (let i = 0; i < 30; i++) await seedJob(redis, `r${i}`, { status: 'Success' });
    const { outcomes, summary } = await swept({ plan, limit: 17 }, create({ sweep: { pageSize: 10 } }));
    expect(outcomes.filter(({ verdict }) => verdict !== 'keep')).toHaveLength(17);
    expect(summary.isLimited).toBe(true);
    if (plan) return;
    const all = await swept({ limit: 60 });
    expect(all.summary.isLimited).toBeUndefined();
    expect(all.outcomes.filter(({ verdict }) => verdict !== 'keep')).toHaveLength(43);
  });

  test('some jobs is no complete sweep: health, schedule, checkpoint and metrics stay as they are', async () => {
    await seed();
    const reaper = create();
    await reaper.sweep({ ids: ['hung-X'] });
    expect(reaper.health().lastSweepAt).toBeUndefined();
    expect(await redis.keys('t:reaper:leader*')).toEqual([]);
    expect((await reaper.status()).leader).toMatchObject({ sweepStartedAt: undefined, sweepEndedAt: undefined });
    const metrics = await reaper.metrics();
    expect(metrics).toMatch(/passes_total\{pass="sweep",outcome="scoped"\} 1$/m);
    expect(metrics).toMatch(/passes_total\{pass="sweep",outcome="completed"\} 0$/m);
    await reaper.sweep();
    expect(reaper.health().lastSweepAt).toBeDefined();
  });

  test('some jobs does not act on a job that has another verdict when it is read again', async () => {
    await seed();
    // The job changes between its page and its act, and would be refired then.
    const moved = { status: 'Success', web_hook_url: 'http://127.0.0.1:1/x' };
    const client = intercept(redis, 'evalsha', async (args) => {
      if (isCallOf('fail_job', args)) await redis.hset('t:job_stats:hung-X', moved);
    });
    const { outcomes } = await swept({ verdicts: ['fail'], ids: ['hung-X'] }, create({ redis: opened.hold(client) }));
    expect(outcomes).toMatchObject([{ id: 'hung-X', outcome: 'overtaken', moved: 'verdict' }]);
    expect(await redis.hlen('t:reaper:hooks')).toBe(0);
  });
});

describe.each(['ids', 'acts'] as const)('fault 124: a sweep by %s', (by) => {
  /** A hook of another job at the same endpoint, which is due. */
  const seedOther = () => seedWithHook(redis, 'other', 'pending', { dueIn: -1_000, to: unheard });
  /** Sweeps one job, and returns the jobs whose hooks were attempted. */
  const attemptedBy = async (reaper: Reaper) => {
    const acts: PlannedAct[] = [];
    const attempted: string[] = [];
    reaper.on('job', ({ act }) => void (act && acts.push(act)));
    reaper.on('hook', ({ id }) => void attempted.push(id));
    await reaper.sweep({ plan: true, ids: ['a'] });
    expect(acts).toHaveLength(1);
    const { hooks } = await reaper.sweep(by === 'ids' ? { ids: ['a'] } : { acts });
    expect(hooks.failed).toBe(attempted.length);
    return attempted;
  };

  test.each([
    ['a refire', 'Success', ['a']],
    ['a fail', 'Running', ['a']],
  ])('sends the hook of %s, and none of other jobs', async (_, status, sent) => {
    await seedJob(redis, 'a', { status, age: 100_000, web_hook_url: `${unheard}/x` });
    await seedOther();
    const before = await redis.hget('t:reaper:hooks', 'other');
    const reaper = create();
    expect(await attemptedBy(reaper)).toEqual(sent);
    expect(await redis.hget('t:reaper:hooks', 'other')).toBe(before);
    await reaper.sweep();
    expect(await redis.hget('t:reaper:hooks', 'other')).not.toBe(before);
  });

  test('sends none where it has none', async () => {
    const at = await seedJob(redis, 'a', { age: 600 });
    await redis.hset('t:job_stats:a', 'ack', ackText('Success', at));
    await seedOther();
    expect(await attemptedBy(create())).toEqual([]);
  });
});

test('a reaper that was started sends all hooks that are due, whatever is swept', async () => {
  await seedWithHook(redis, 'other', 'pending', { dueIn: -1_000 });
  const reaper = create({ sweep: { initialDelay: '1h' }, rescue: { initialDelay: '1h' } });
  const attempted = new Promise<string>((resolve) => reaper.once('hook', ({ id }) => resolve(id)));
  reaper.start();
  await reaper.sweep({ ids: ['none'] });
  expect(await attempted).toBe('other');
});

test('once a reaper has swept all jobs, it sends all hooks that are due, whatever is swept', async () => {
  const reaper = create();
  await reaper.sweep();
  await seedWithHook(redis, 'other', 'pending', { dueIn: -1_000, to: unheard });
  const attempted: string[] = [];
  reaper.on('hook', ({ id }) => void attempted.push(id));
  await reaper.sweep({ ids: ['none'] });
  expect(attempted).toEqual(['other']);
});

test('fault 124: half of a surrogate pair names nothing, in any filter, and not what has U+FFFD there', async () => {
  await seedJob(redis, 'x\ufffd', { age: 100_000 });
  const reaper = create();
  const name = 'x\ud800';
  for (const call of [
    () => reaper.sweep({ ids: [name] }),
    () => reaper.sweep({ types: [name] }),
    () => reaper.rescue({ pools: [name] }),
    () => reaper.hooks.retry({ id: name }),
    () => reaper.hooks.drop({ endpoint: name }),
    () => reaper.quarantine.release({ id: name }),
    () => reaper.quarantine.drop({ type: name }),
  ]) {
    await expect(call()).rejects.toMatchObject({
      code: 'invalid-options',
      message: expect.stringContaining('half of a surrogate pair'),
    });
  }
  expect(await statusOf('x\ufffd')).toBe('Running');
  expect((await reaper.sweep({ ids: ['x\ufffd'] })).outcomes).toEqual({ done: 1 });
  expect((await reaper.sweep({ ids: ['\u{1f600}'] })).notFound).toEqual(['\u{1f600}']);
});
