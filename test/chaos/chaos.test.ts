/** Three runs of the chaos driver; `npm run chaos` makes more of them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { faultKinds, kindOfCut } from './driver/acts.ts';
import { type Plan, planOf } from './driver/plan.ts';
import { buildPrograms, type Programs } from './driver/processes.ts';
import { textOf } from './driver/report.ts';
import { runChaos } from './driver/run.ts';
import { jobCount } from './driver/settings.ts';

let programs: Programs;
beforeAll(async () => {
  programs = await buildPrograms();
});
afterAll(() => programs.remove());

/** Between them they have every kind of fault. */
const seeds = [1, 27, 39];
/** Not a bound on what is tested: a run gives up by itself, after many passes of the reapers that changed nothing. */
const never = 3_600_000;

test.concurrent.each(seeds)(
  'fault 131: whatever happens to hosts, reapers and Redis, no job is lost or doubled (seed %i)',
  async (seed) => {
    const report = await runChaos(seed, programs);
    expect(report.breaches.length, textOf(report)).toBe(0);
    // Every entry was proven orphaned or not: no host had to be ended for it.
    expect(report.settled.endedPools, textOf(report)).toBe(0);
    expect(report.runs).toBeGreaterThanOrEqual(jobCount);
  },
  never,
);

test('a seed makes the same schedule again, and another seed another', () => {
  expect(planOf(7)).toEqual(planOf(7));
  expect(planOf(8)).not.toEqual({ ...planOf(7), seed: 8 });
});

/** Kinds of which a plan has at least one. */
const kindsIn = ({ acts, jobs, clockOffsets }: Plan) => [
  ...acts.map(({ act }) => act.kind),
  ...jobs.flatMap(({ cut }) => (cut === undefined ? [] : [kindOfCut(cut)])),
  ...jobs.flatMap(({ observation }) => (observation === undefined ? [] : [`observation-${observation}`])),
  ...Object.values(clockOffsets).flatMap((s) => (s === 0 ? [] : [s > 0 ? 'clock-ahead' : 'clock-behind'])),
];

test('the seeds above have every kind of fault, and so have 200 seeds many times', () => {
  expect(new Set(seeds.flatMap((seed) => kindsIn(planOf(seed))))).toEqual(new Set(faultKinds));
  const plans = Array.from({ length: 200 }, (_, i) => new Set(kindsIn(planOf(i + 1))));
  for (const kind of faultKinds) expect(plans.filter((kinds) => kinds.has(kind)).length, kind).toBeGreaterThan(20);
});

test('a kind that is asked for alone has the acts that it has among others', () => {
  const plan = planOf(27);
  for (const kind of plan.kinds) {
    const alone = planOf(27, [kind]);
    expect(alone.acts, kind).toEqual(plan.acts.filter(({ act }) => act.kind === kind));
    expect(
      kindsIn(alone).filter((other) => other !== kind),
      kind,
    ).toEqual([]);
  }
});
