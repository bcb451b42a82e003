import type { JobOutcome } from '../index.ts';

/** Outcomes of a job to refire for which there was nothing to do, and why. Its hook is left as it is. */
export const leftHooks: Readonly<Partial<Record<JobOutcome['outcome'], string>>> = {
  'already-pending': 'their hooks are pending already',
  parked: 'their hooks are parked → reaper hooks',
};
