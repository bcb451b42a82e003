import type { Evidence, Facts, TrackedJob } from '../../src/machines/facts.ts';
import type { Policy, Verdict } from '../../src/machines/verdict.ts';

/** The second at which the facts in these tests are read. */
export const now = 2_000_000_000;

export const policy: Policy = {
  hungAfter: (type) => (type === 'SLOW' ? 200_000 : 86_400),
  runLimit: (type) => (type === 'LIMITED' ? 200_000 : undefined),
  refireGrace: 60,
  clockTolerance: 300,
};

/** The facts of a running job, updated ten minutes ago and acknowledged, with these changes. */
export const facts = (changes: Partial<Facts> = {}): Facts => ({
  id: 'j1',
  readAt: now,
  stats: 'found',
  statsId: 'j1',
  name: 'X',
  kind: 'Generic',
  status: 'Running',
  updateTime: now - 600,
  revision: now - 600,
  enqueueTime: now - 600,
  ack: { status: 'Running', revision: now - 600, checkInAt: 0 },
  hasHook: true,
  ...changes,
});

/** The evidence of a hung job. */
export const nowhere: Evidence = { found: 'nowhere', lookedIn: [] };

/** A job for each verdict. */
export const jobFor = (verdict: Verdict): TrackedJob => {
  const old = now - 100_000;
  const changes: Record<Verdict, Partial<Facts>> = {
    keep: {},
    untrack: { status: 'Success', ack: { status: 'Success', revision: now - 600, checkInAt: 0 } },
    reset: { ack: { status: 'Success', revision: now - 600, checkInAt: 0 } },
    fail: { updateTime: old, revision: old, enqueueTime: old, ack: undefined, evidence: nowhere },
    refire: { ack: undefined },
  };
  return { facts: facts(changes[verdict]), fingerprint: () => verdict };
};
