import { expect, test } from 'vitest';
import { createActor } from 'xstate';
import { jobMachine } from '../../src/machines/job.ts';
import { jobFor, policy } from '../support/facts.ts';

test.each(['fail', 'refire', 'reset', 'untrack'] as const)('fault 150: a plan says %s, and does nothing', (verdict) => {
  const actor = createActor(jobMachine, { input: { job: jobFor(verdict), policy, plan: true } }).start();
  expect(actor.getSnapshot().output).toMatchObject({ verdict, outcome: 'planned' });
});
