/** A page is judged once, and what still refers to it afterwards keeps none of its jobs alive. */
import { expect, test } from 'vitest';
import { createActor, toPromise } from 'xstate';
import { createJudgePage } from '../../src/actors/judgePage.ts';
import type { TrackedJob } from '../../src/machines/facts.ts';
import { jobMachine } from '../../src/machines/job.ts';
import { facts, policy } from '../support/facts.ts';

const jobOf = (changes: Parameters<typeof facts>[0]): TrackedJob => ({ facts: facts(changes), fingerprint: () => 'f' });

test('takes the jobs out of the page, judges each, and leaves those that act', async () => {
  const judgePage = createJudgePage({
    job: jobMachine,
    enqueue: async () => [],
    enqueuePlan: async () => [],
    faultsOfHooks: async () => [],
    refusalOf: () => undefined,
    isFollowed: () => false,
    observe: () => undefined,
    observeScreened: () => undefined,
  });
  const acting = jobOf({ stats: 'nothing' });
  const jobs = [jobOf({}), acting, jobOf({})];
  const input = { jobs, screened: undefined, policy, plan: false, scope: undefined, actsLeft: undefined };
  const judged = await toPromise(createActor(judgePage, { input }).start());
  expect(judged).toMatchObject({ acts: 1, tally: { scanned: 2, verdicts: { keep: 2 } } });
  expect(judged.acting).toEqual([acting]);
  expect(jobs).toEqual([]);
});
