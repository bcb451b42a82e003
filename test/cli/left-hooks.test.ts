import { expect, test } from 'vitest';
import { leftHooks } from '../../src/cli/leftHooks.ts';
import type { JobOutcome } from '../../src/index.ts';
import { isHookLeft } from '../../src/machines/types/job.ts';

/** The compiler refuses this list if an outcome is missing. */
const outcomes = Object.keys({
  kept: 0,
  done: 0,
  enqueued: 0,
  'already-pending': 0,
  parked: 0,
  deferred: 0,
  planned: 0,
  overtaken: 0,
  fenced: 0,
  abandoned: 0,
} satisfies Record<JobOutcome['outcome'], number>) as JobOutcome['outcome'][];

test('the commands say of the same outcomes as the library that a hook is left as it is', () => {
  expect(Object.keys(leftHooks).sort()).toEqual(outcomes.filter(isHookLeft).sort());
});
