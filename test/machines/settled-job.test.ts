/** The cheap actor of a job that has nothing to do takes the way of the job's machine, and ends as it does. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createActor } from 'xstate';
import { type Facts, statuses, type TrackedJob } from '../../src/machines/facts.ts';
import { jobMachine } from '../../src/machines/job.ts';
import { type SettledInput, settledJob } from '../../src/machines/settledJob.ts';
import type { SweepScope } from '../../src/machines/types/scope.ts';
import { judge, type Reason } from '../../src/machines/verdict.ts';
import { facts, now, policy } from '../support/facts.ts';

/** Each reason that a verdict has. */
const reasons: Record<Reason, true> = {
  ...{ 'missing-stats': true, malformed: true, behind: true, hung: true, observed: true, 'in-queue': true },
  ...{ inconclusive: true, 'clock-ahead': true, acknowledged: true, ongoing: true, 'no-endpoint': true },
  ...{ 'recently-updated': true, unacknowledged: true },
};

const time = fc.constantFrom(undefined, 0, now - 30, now - 600, now - 100_000, now - 250_000, now + 10_000, Number.NaN);
const place = fc.constantFrom(
  'nowhere',
  'nowhere',
  'nowhere',
  'observed',
  'queue',
  'held',
  'dead',
  'left',
  'unreadable',
  'scheduled',
);
const anyFacts: fc.Arbitrary<Facts> = fc
  .record(
    {
      stats: fc.constantFrom('found', 'found', 'found', 'nothing', 'unreadable'),
      statsId: fc.constantFrom('j1', 'j1', 'j2', undefined),
      name: fc.constantFrom('X', 'SLOW', 'LIMITED', undefined),
      status: fc.constantFrom(...statuses, 'unknown', undefined),
      ...{ updateTime: time, revision: time, enqueueTime: time, checkInAt: time },
      ack: fc.option(
        fc.record({
          status: fc.constantFrom(...statuses),
          revision: fc.constantFrom(now - 600, now - 100_000, now - 599),
          checkInAt: fc.constantFrom(0, now - 600),
        }),
        { nil: undefined },
      ),
      hasHook: fc.boolean(),
      evidence: fc.option(
        place.map((found) => ({ found, lookedIn: [] })),
        { nil: undefined },
      ),
    },
    { requiredKeys: [] },
  )
  .map((changes) => facts(changes as Partial<Facts>));

const anyInput: fc.Arbitrary<SettledInput> = fc
  .tuple(
    anyFacts,
    fc.boolean(),
    fc.constantFrom(undefined, ...(['enqueued', 'already-pending', 'parked', 'deferred'] as const)),
    fc.constantFrom(undefined, 't:reaper:hooks: holds a list'),
    fc.constantFrom<SweepScope | undefined>(
      undefined,
      undefined,
      { types: ['X'] },
      { verdicts: ['fail', 'refire'] },
      {
        acts: new Map([['j1', { id: 'j1', verdict: 'fail', reason: 'hung', fingerprint: 'f' }]]),
      },
    ),
  )
  .map(([facts, plan, end, given, scope]) => {
    const job: TrackedJob = { facts, fingerprint: () => 'f' };
    const judgement = judge(facts, policy);
    const fault = ['refire', 'fail'].includes(judgement.verdict) ? given : undefined;
    const page = { replyTo: () => (end === undefined ? undefined : { outcome: end }), faultOf: () => fault };
    return { job, policy, plan, scope, page, judgement };
  });

test('for every verdict, reason and mode, a job that is settled ends as in its machine; every other job acts', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(anyInput, (input) => {
      const { job, plan, scope, page } = input;
      const machine = createActor(jobMachine, { input: { job, policy, plan, scope, page } }).start().getSnapshot();
      const settled = createActor(settledJob(input));
      const { verdict, reason } = input.judgement;
      // A job that has to act is not settled: its logic throws.
      const mustAct = settled.getSnapshot().status === 'error';
      seen.add(reason).add(`${verdict} ${mustAct ? 'acts' : settled.getSnapshot().output?.outcome}`);
      if (mustAct) expect(machine).toMatchObject({ status: 'active', value: { acting: verdict } });
      else {
        const { status, value, output, context } = settled.start().getSnapshot();
        expect({ status, value, output, context }).toEqual({
          ...{ status: machine.status, value: machine.value },
          ...{ output: machine.output, context: machine.context },
        });
      }
    }),
    { numRuns: 5_000, seed: 1 },
  );
  expect([...Object.keys(reasons)].filter((reason) => !seen.has(reason))).toEqual([]);
  const ends = ['fail', 'refire', 'reset', 'untrack'].flatMap((verdict) =>
    ['acts', 'overtaken', 'planned'].map((end) => `${verdict} ${end}`),
  );
  const others = [
    'keep kept',
    'keep overtaken',
    'fail abandoned',
    'refire abandoned',
    'refire enqueued',
    'refire already-pending',
    'refire parked',
    'refire deferred',
  ];
  expect([...seen].filter((one) => one.includes(' ')).sort()).toEqual([...ends, ...others].sort());
});

test('a job that has to act is refused by the cheap actor', () => {
  const { job } = { job: { facts: facts({ ack: undefined }), fingerprint: () => 'f' } };
  const input = { job, policy, plan: false, judgement: judge(job.facts, policy) };
  const actor = createActor(settledJob(input));
  expect(actor.getSnapshot()).toMatchObject({
    status: 'error',
    error: new Error('a job that has to act needs a lane'),
  });
});
