/** Which jobs need evidence, and how a job is judged whose times are all 0: Go writes 0 for a missing time. */
import { expect, test } from 'vitest';
import { judge, needsEvidence } from '../../src/machines/verdict.ts';
import { facts, now, nowhere, policy } from '../support/facts.ts';

const without = { updateTime: 0, revision: 0, enqueueTime: 0, checkInAt: 0, runAt: 0, ack: undefined };

test('a job without a time above 0 is judged like a hung job, and its clock does not count as ahead', () => {
  expect(needsEvidence(facts(without), policy)).toBe(true);
  expect(judge(facts({ ...without, evidence: nowhere }), policy)).toMatchObject({ verdict: 'fail', reason: 'hung' });
  expect(judge(facts({ ...without, evidence: { found: 'queue', lookedIn: [] } }), policy)).toMatchObject({
    verdict: 'keep',
    reason: 'in-queue',
  });
});

test('evidence is needed once, and not for a job that an earlier rule decides', () => {
  const old = now - 100_000;
  const hung = facts({ updateTime: old, revision: old, enqueueTime: old, ack: undefined });
  expect(needsEvidence(hung, policy)).toBe(true);
  expect(needsEvidence({ ...hung, evidence: nowhere }, policy)).toBe(false);
  const behind = { ...hung, ack: { status: 'Success', revision: old, checkInAt: 0 } } as const;
  expect(needsEvidence(behind, policy)).toBe(false);
  expect(judge(behind, policy)).toMatchObject({ verdict: 'reset', reason: 'behind' });
});

test('Scheduled is further than Pending', () => {
  const ack = { status: 'Scheduled', revision: now - 600, checkInAt: 0 } as const;
  expect(judge(facts({ status: 'Pending', ack }), policy)).toMatchObject({
    verdict: 'reset',
    target: { status: 'Scheduled' },
  });
});
