/** Two runs of the chaos driver. `npm run chaos` makes more. */
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

/** Together these seeds have every kind of fault. */
const seeds = [150, 1167];
/** Only a safety net: a run gives up by itself after many passes without progress. */
const never = 3_600_000;

test.concurrent.each(seeds)(
  'fault 131: no job is lost or run twice while hosts, reapers and Redis fail (seed %i)',
  async (seed) => {
    const report = await runChaos(seed, programs);
    expect(report.breaches.length, textOf(report)).toBe(0);
    // There was proof for every entry: no host had to be ended.
    expect(report.settled.endedPools, textOf(report)).toBe(0);
    expect(report.runs).toBeGreaterThanOrEqual(jobCount);
  },
  never,
);

test('the same seed gives the same plan, and another seed another plan', () => {
  expect(planOf(7)).toEqual(planOf(7));
  expect(planOf(8)).not.toEqual({ ...planOf(7), seed: 8 });
});

/** The kinds of which a plan has at least one act. */
const kindsIn = ({ acts, jobs, clockOffsets }: Plan) => [
  ...acts.map(({ act }) => act.kind),
  ...jobs.flatMap(({ cut }) => (cut === undefined ? [] : [kindOfCut(cut)])),
  ...jobs.flatMap(({ observation }) => (observation === undefined ? [] : [`observation-${observation}`])),
  ...Object.values(clockOffsets).flatMap((s) => (s === 0 ? [] : [s > 0 ? 'clock-ahead' : 'clock-behind'])),
];

test('the seeds above cover every kind of fault, and each kind is in many of 200 plans', () => {
  expect(new Set(seeds.flatMap((seed) => kindsIn(planOf(seed))))).toEqual(new Set(faultKinds));
  const plans = Array.from({ length: 200 }, (_, i) => new Set(kindsIn(planOf(i + 1))));
  for (const kind of faultKinds) expect(plans.filter((kinds) => kinds.has(kind)).length, kind).toBeGreaterThan(20);
});

test('the acts of a kind are the same with --only as among other kinds', () => {
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
