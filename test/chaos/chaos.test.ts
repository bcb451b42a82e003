/** Three runs of the chaos driver; `npm run chaos` makes more of them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { planOf } from './driver/plan.ts';
import { buildPrograms, type Programs } from './driver/processes.ts';
import { textOf } from './driver/report.ts';
import { runChaos } from './driver/run.ts';
import { jobCount } from './driver/settings.ts';

let programs: Programs;
beforeAll(async () => {
  programs = await buildPrograms();
});
afterAll(() => programs.remove());

test.concurrent.each([1, 2, 3])(
  'whatever happens to hosts, reapers and Redis, no job is lost or doubled (seed %i)',
  async (seed) => {
    const report = await runChaos(seed, programs);
    expect(report.breaches.length, textOf(report)).toBe(0);
    expect(report.runs).toBeGreaterThanOrEqual(jobCount);
  },
  120_000,
);

test('a seed makes the same schedule again, and another seed another', () => {
  expect(planOf(7)).toEqual(planOf(7));
  expect(planOf(8)).not.toEqual({ ...planOf(7), seed: 8 });
});
