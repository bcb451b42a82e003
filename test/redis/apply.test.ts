/** The acts of a plan, done later: exactly these, each only if its facts still stand. A real Redis. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JobOutcome, PlannedAct, ReaperOptions, SweepOptions } from '../../src/index.ts';
import { redisFixture } from '../support/fixture.ts';
import { ackText, second, seedJob } from '../support/jobs.ts';
import { entryOf } from '../support/pools.ts';

const { server, redis, opened } = await redisFixture();
const url = 'http://127.0.0.1:1/x';

const sweep = async (given: SweepOptions, options: Partial<ReaperOptions> = {}) => {
  const reaper = opened.create({ redis: server.url, ...options });
  const outcomes: JobOutcome[] = [];
  reaper.on('job', (outcome) => void outcomes.push(outcome));
  const summary = await reaper.sweep(given);
  await reaper.stop({ timeout: 0 });
  return { outcomes, summary };
};
const plan = async (given: SweepOptions = {}): Promise<PlannedAct[]> =>
  (await sweep({ ...given, plan: true })).outcomes.flatMap(({ act }) => (act === undefined ? [] : [act]));

const kinds = ['fine', 'hung', 'ended', 'untold', 'behind', 'missing', 'odd', 'queued'] as const;
const seed = async (id: string, kind: (typeof kinds)[number]) => {
  if (kind === 'missing') await redis.hset('t:job_track:inprogress', id, 2);
  else if (kind === 'hung') await seedJob(redis, id, { age: 100_000, web_hook_url: url });
  else if (kind === 'ended') await seedJob(redis, id, { status: 'Success' });
  else if (kind === 'untold') await seedJob(redis, id, { status: 'Success', web_hook_url: url });
  else if (kind === 'odd') await seedJob(redis, id, { status: 'Weird' });
  else if (kind === 'queued') {
    await seedJob(redis, id, { age: 100_000 });
    await redis.lpush('t:jobs:X', entryOf(id));
  } else {
    const at = await seedJob(redis, id, { age: 600 });
    if (kind === 'behind') await redis.hset(`t:job_stats:${id}`, 'ack', ackText('Success', at));
  }
};

/** What may happen to a job between its plan and the acts. */
const moves = [
  ...(['touched', 'ended', 'acknowledged', 'untracked', 'deleted', 'queued', 'another hook'] as const),
  ...(['hook pending', 'hook parked'] as const),
];
const move = async (id: string, what: (typeof moves)[number]) => {
  const stats = `t:job_stats:${id}`;
  if (what === 'untracked') await redis.hdel('t:job_track:inprogress', id);
  else if (what === 'deleted') await redis.del(stats);
  else if (what === 'queued') await redis.lpush('t:jobs:X', entryOf(id));
  else if (what === 'touched') await redis.hset(stats, { id, update_time: second() });
  else if (what === 'ended') await redis.hset(stats, { id, status: 'Stopped' });
  else if (what === 'hook pending' || what === 'hook parked') {
    const { status, revision } = await redis.hgetall(stats);
    const kind = what === 'hook pending' ? 'pending' : 'parked';
    await redis.hset('t:reaper:hooks', id, `${kind} ${status}:${revision} http://127.0.0.1:1 1 1 1 503`);
  } else if (what === 'another hook') await redis.hset(stats, { id, web_hook_url: 'http://127.0.0.1:2/y' });
  else await redis.hset(stats, { id, ack: ackText('Error', second()) });
};

/** The moves after which there is nothing to do for a job to refire, by the outcome. */
const moveBehind = { 'already-pending': 'hook pending', parked: 'hook parked' } as const;
const isLeft = (outcome: JobOutcome['outcome']): outcome is keyof typeof moveBehind => outcome in moveBehind;

/** Everything that Redis holds of a job. */
const stateOf = async (id: string) => ({
  stats: await redis.hgetall(`t:job_stats:${id}`),
  tracked: await redis.hget('t:job_track:inprogress', id),
  hook: await redis.hget('t:reaper:hooks', id),
});
const statesOf = async (ids: readonly string[]) =>
  Object.fromEntries(await Promise.all(ids.map(async (id) => [id, await stateOf(id)] as const)));

const jobs = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    move: fc.option(fc.constantFrom(...moves), { nil: undefined, freq: 2 }),
    isNew: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
);

test('from any state, the acts of a plan do exactly the plan, and nothing that is not in it after any moves', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(jobs, fc.boolean(), async (given, areMoved) => {
      await redis.flushall();
      const ids = given.map((_, i) => `j${i}`);
      for (const [i, { kind, isNew }] of given.entries()) if (!isNew) await seed(`j${i}`, kind);
      const acts = await plan();
      for (const [i, { kind, move: what, isNew }] of given.entries()) {
        if (isNew) await seed(`j${i}`, kind);
        else if (areMoved && what !== undefined) await move(`j${i}`, what);
      }
      const before = await statesOf(ids);
      const { outcomes, summary } = await sweep({ acts });
      const after = await statesOf(ids);

      const done = new Set(
        outcomes.flatMap(({ id, outcome }) => (outcome === 'overtaken' || isLeft(outcome) ? [] : [id])),
      );
      const planned = new Map(acts.map((act) => [act.id, act]));
      for (const { id, verdict, reason, outcome, moved } of outcomes) {
        expect(planned.has(id)).toBe(true);
        if (outcome === 'overtaken') expect(moved).toBeDefined();
        else expect([verdict, reason]).toEqual([planned.get(id)?.verdict, planned.get(id)?.reason]);
        seen.add(`${outcome === 'overtaken' ? moved : isLeft(outcome) ? outcome : verdict}`);
        if (isLeft(outcome))
          expect([verdict, given[Number(id.slice(1))]?.move]).toEqual(['refire', moveBehind[outcome]]);
      }
      for (const id of ids) {
        if (done.has(id)) expect(after[id]).not.toEqual(before[id]);
        else expect(after[id]).toEqual(before[id]);
      }
      const untracked = summary.notFound ?? [];
      expect([...outcomes.map(({ id }) => id), ...untracked].sort()).toEqual([...planned.keys()].sort());
      const isStanding = (id: string) => !areMoved || given[Number(id.slice(1))]?.move === undefined;
      for (const id of planned.keys()) if (isStanding(id)) expect(done).toContain(id);
    }),
    {
      numRuns: 60,
      endOnFailure: false,
      // Each kind of job as planned, and a job with the same facts whose entry is in its queue again.
      examples: [
        [kinds.map((kind) => ({ kind, move: undefined, isNew: false })), false],
        [[{ kind: 'hung', move: 'queued', isNew: false }], true],
        [[{ kind: 'ended', move: 'touched', isNew: false }], true],
        [
          (['hook pending', 'hook parked'] as const).map((move) => ({ kind: 'untold' as const, move, isNew: false })),
          true,
        ],
      ],
    },
  );
  expect([...seen].sort()).toEqual([
    ...['already-pending', 'facts', 'fail', 'parked', 'refire', 'reset', 'untrack', 'verdict'],
  ]);
});

describe('an act of a plan', () => {
  test('is not done by a sweep whose options give another verdict', async () => {
    await seed('a', 'hung');
    const acts = await plan();
    const { outcomes } = await sweep({ acts }, { hungAfter: '10d' });
    expect(outcomes).toMatchObject([{ id: 'a', outcome: 'overtaken', moved: 'verdict' }]);
    expect(await redis.hget('t:job_stats:a', 'status')).toBe('Running');
  });

  test('is done once: a second time its facts have changed', async () => {
    await seed('a', 'hung');
    const acts = await plan();
    expect((await sweep({ acts })).outcomes).toMatchObject([{ outcome: 'done' }]);
    expect((await sweep({ acts })).outcomes).toMatchObject([{ outcome: 'overtaken', moved: 'facts' }]);
  });

  test('can be restricted when it is planned, and not when it is done', async () => {
    await seed('a', 'hung');
    await seed('b', 'ended');
    const acts = await plan({ verdicts: ['untrack'] });
    expect(acts).toMatchObject([{ id: 'b', verdict: 'untrack', reason: 'no-endpoint' }]);
    const reaper = opened.create({ redis: server.url });
    await expect(reaper.sweep({ acts, limit: 1 })).rejects.toThrow('acts: names the jobs itself');
    await expect(reaper.sweep({ ids: [] })).rejects.toThrow('sweep: ids: must not be empty');
    await expect(reaper.sweep({ verdicts: ['keep'] as never })).rejects.toThrow('sweep: verdicts.0: ');
    await expect(reaper.sweep({ acts: [{ id: 'a' }] as never })).rejects.toThrow('sweep: acts.0.verdict: ');
  });
});
