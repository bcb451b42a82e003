import { afterAll, expect, test } from 'vitest';
import { createReaper, type Reaper } from '../../src/index.ts';
import { redisFixture } from '../support/fixture.ts';
import { fill, readState, type State, writeState } from '../support/states.ts';
import { namespace, type RescueVector, readJson, readVectors } from './vectors.ts';

const { redis } = await redisFixture();

const jobs = `${namespace}:jobs:`;

/** One reaper for all vectors with the same job types. */
const reapers = new Map<string, Reaper>();
afterAll(() => Promise.all([...reapers.values()].map((reaper) => reaper.stop())));

/** Writes a state into Redis, runs a rescue without grace, and returns the state afterwards. */
const rescue = async (before: State, jobTypes: readonly string[]) => {
  await writeState(redis, before);
  const name = jobTypes.join();
  const reaper = reapers.get(name) ?? createReaper({ redis, namespace, jobTypes: [...jobTypes], logger: false });
  reapers.set(name, reaper);
  const summary = await reaper.rescue({ grace: 0 });
  return { summary, after: await readState(redis) };
};

test.each(readVectors<RescueVector>('rescue.jsonl.gz').map((vector) => [vector.name, vector] as const))(
  'rescue: %s',
  async (_, vector) => {
    const { before, ours, jobTypes } = fill(vector, Math.floor(Date.now() / 1_000), '');
    const { after } = await rescue(before, jobTypes);

    for (const [type, { was, moved }] of Object.entries(ours.queues)) {
      const queue: string[] = after[`${jobs}${type}`]?.value ?? [];
      // First the moved entries, the last popped one first, then the old ones. Entries of several pools may be mixed.
      const requeued = queue.slice(0, queue.length - was.length);
      expect(queue.slice(requeued.length)).toEqual(was);
      expect([...requeued].sort()).toEqual(Object.values(moved).flat().sort());
      for (const popped of Object.values(moved)) expect(isSubsequence([...popped].reverse(), requeued)).toBe(true);
    }
    for (const [type, counts] of Object.entries(ours.counts)) {
      expect(Number(after[`${jobs}${type}:lock`]?.value ?? 0)).toBe(counts.lock);
      expect(nonZero(after[`${jobs}${type}:lock_info`]?.value ?? {})).toEqual(nonZero(counts.lock_info));
    }
    for (const key of Object.keys(after)) {
      const pool = /:([^:]+):inprogress$/.exec(key)?.[1];
      if (pool !== undefined && key.startsWith(jobs)) expect(ours.live).toContain(pool);
    }
  },
);

test('the job of a killed Harbor jobservice is requeued, its lock freed and its pool deregistered', async () => {
  const now = Math.floor(Date.now() / 1_000);
  // The heartbeat in the capture was nearly too old, so the rescue comes 30 s later.
  const before = fill(readJson<State>('killed-jobservice.json'), now - 30, 'http://127.0.0.1:1');
  const { summary, after } = await rescue(before, []);

  const pool = 'dfb7afcee28534938be5cbdc';
  const entries = (key: string): string[] => before[`${jobs}${key}`]?.value ?? [];
  expect(after[`${jobs}DEMO`]?.value).toEqual([...entries(`DEMO:${pool}:inprogress`), ...entries('DEMO')]);
  expect(entries(`DEMO:${pool}:inprogress`)).toHaveLength(1);
  expect(after[`${jobs}DEMO:lock`]?.value).toBe('0');
  expect(Object.keys(after).filter((key) => key.includes(pool))).toEqual([]);
  expect(after[`${namespace}:worker_pools`]).toBeUndefined();
  expect(summary).toMatchObject({ suspects: 1, entries: 1, pools: { rescued: 1 } });
});

const isSubsequence = (part: readonly string[], whole: readonly string[]): boolean => {
  let at = 0;
  for (const entry of whole) if (entry === part[at]) at += 1;
  return at === part.length;
};

const nonZero = (counts: Readonly<Record<string, string | number>>) =>
  Object.fromEntries(
    Object.entries(counts).flatMap(([pool, count]) => (Number(count) === 0 ? [] : [[pool, Number(count)]])),
  );
