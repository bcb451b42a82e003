import { expect, test } from 'vitest';
import { decodeAck, decodeTime } from '../../src/io/jobs/stats.ts';
import type { Evidence, Facts } from '../../src/machines/facts.ts';
import { explain, isAcknowledged, judge } from '../../src/machines/verdict.ts';
import { facts, now, nowhere, policy } from '../support/facts.ts';

const ack = (status: 'Running' | 'Success' | 'Error', revision = now - 600, checkInAt = 0) => ({
  status,
  revision,
  checkInAt,
});
const old = (age: number): Partial<Facts> => ({
  updateTime: now - age,
  revision: now - age,
  enqueueTime: now - age,
  ack: ack('Running', now - age),
});

const found = (where: Evidence['found']): Evidence => ({ found: where, lookedIn: [] });

const table: readonly [string, Partial<Facts>, string][] = [
  ['no stats', { stats: 'nothing' }, 'untrack missing-stats'],
  ['stats that are not a hash', { stats: 'unreadable' }, 'keep malformed'],
  [
    'an id with bytes that are not valid UTF-8',
    { id: 'a\uFFFD', hasBrokenId: true, statsId: undefined },
    'keep malformed',
  ],
  [
    'an id with bytes that are not text, and no stats',
    { id: 'a\uFFFD', hasBrokenId: true, stats: 'nothing' },
    'keep malformed',
  ],
  ['an id with the character that replaces such bytes', { id: 'a\uFFFD', statsId: 'a\uFFFD' }, 'keep ongoing'],
  ['no status', { status: undefined }, 'keep malformed'],
  ['an unknown status', { status: 'running' }, 'keep malformed'],
  ['a status with the name of a method', { status: 'toString' }, 'keep malformed'],
  ["another job's id", { statsId: 'j2' }, 'keep malformed'],
  ['no id', { statsId: undefined }, 'keep ongoing'],
  ['a time that is not an integer', { checkInAt: Number.NaN }, 'keep malformed'],
  ['no time at all', { updateTime: undefined, revision: undefined, enqueueTime: undefined }, 'keep malformed'],
  [
    'no time at all, final',
    {
      status: 'Error',
      updateTime: undefined,
      revision: undefined,
      enqueueTime: undefined,
      ack: undefined,
      hasHook: false,
    },
    'untrack no-endpoint',
  ],
  ['behind by revision', { ack: ack('Running', now - 599) }, 'reset behind'],
  ['behind by rank', { ack: ack('Success') }, 'reset behind'],
  [
    'behind and silent: the endpoint knows more than a clock',
    { ...old(100_000), ack: ack('Success', now - 100_000) },
    'reset behind',
  ],
  ['final, and another final status confirmed', { status: 'Error', ack: ack('Success') }, 'untrack acknowledged'],
  ['silent for exactly its limit', old(86_400), 'keep ongoing'],
  ['silent for a second more', { ...old(86_401), evidence: nowhere }, 'fail hung'],
  ['silent for longer than the limit, within that of its type', { ...old(100_000), name: 'SLOW' }, 'keep ongoing'],
  ['silent for longer than the limit of its type', { ...old(200_001), name: 'SLOW', evidence: nowhere }, 'fail hung'],
  ['silent, without an endpoint', { ...old(86_401), hasHook: false, ack: undefined, evidence: nowhere }, 'fail hung'],
  ['silent, without evidence', old(86_401), 'keep inconclusive'],
  ['silent, and a place that cannot be read', { ...old(86_401), evidence: found('unreadable') }, 'keep inconclusive'],
  ['silent, and run by a worker', { ...old(86_401), evidence: found('observed') }, 'keep observed'],
  [
    'silent, and run by a worker for just as long as it may',
    { ...old(300_000), name: 'LIMITED', evidence: { ...found('observed'), startedAt: now - 200_000 } },
    'keep observed',
  ],
  [
    'silent, and run by a worker for a second longer than it may',
    { ...old(300_000), name: 'LIMITED', evidence: { ...found('observed'), startedAt: now - 200_001 } },
    'fail hung',
  ],
  [
    'silent, and run by a worker that does not say since when',
    { ...old(300_000), name: 'LIMITED', evidence: found('observed') },
    'keep observed',
  ],
  ['silent, and in its queue', { ...old(86_401), evidence: found('queue') }, 'keep in-queue'],
  ['silent, and scheduled', { ...old(86_401), evidence: found('scheduled') }, 'keep in-queue'],
  ['silent, and to be retried', { ...old(86_401), evidence: found('retry') }, 'keep in-queue'],
  ['silent, and held by a live pool', { ...old(86_401), evidence: found('held') }, 'keep in-queue'],
  ['silent, running, and held by a dead pool', { ...old(86_401), evidence: found('left') }, 'fail hung'],
  [
    'silent, pending, and held by a dead pool',
    { ...old(86_401), status: 'Pending', ack: undefined, evidence: found('left') },
    'keep in-queue',
  ],
  [
    'silent, scheduled, and held by a dead pool',
    { ...old(86_401), status: 'Scheduled', ack: undefined, evidence: found('left') },
    'keep in-queue',
  ],
  [
    'silent, running, and held by a pool whose death is not confirmed',
    { ...old(86_401), evidence: found('unconfirmed') },
    'keep in-queue',
  ],
  ['every time ahead of the clock', { ...old(-301), ack: ack('Running', now + 301) }, 'keep clock-ahead'],
  ['every time ahead by exactly the tolerance', { ...old(-300), ack: ack('Running', now + 300) }, 'keep ongoing'],
  ['every time in ms', { ...old(now - now * 1_000), ack: undefined }, 'keep clock-ahead'],
  ['every time ahead, and a run_at of 0', { ...old(-1_000), ack: undefined, runAt: 0 }, 'keep clock-ahead'],
  ['every time ahead, and a run_at long ago', { ...old(-1_000), runAt: now - 86_401, evidence: nowhere }, 'fail hung'],
  [
    'every time ahead, and a run_at ahead',
    { ...old(-1_000), ack: ack('Running', now + 1_000), runAt: now + 9_000 },
    'keep ongoing',
  ],
  [
    'every time ahead, but an endpoint that knows more',
    { ...old(-1_000), ack: ack('Success', now + 1_000) },
    'reset behind',
  ],
  ['one time ahead, the others old', { ...old(86_401), updateTime: now + 9_000, evidence: nowhere }, 'fail hung'],
  ['one time ahead, the others old, without evidence', { ...old(86_401), checkInAt: now + 9_000 }, 'keep inconclusive'],
  ['one time ahead, the others recent', { updateTime: now + 9_000, ack: undefined }, 'refire unacknowledged'],
  [
    'its revision ahead, and the ACK behind',
    { revision: now + 9_000, ack: ack('Running', now - 600) },
    'refire unacknowledged',
  ],
  [
    'every time ahead, periodic and confirmed',
    { ...old(-9_000), kind: 'Periodic', ack: ack('Running', now + 9_000) },
    'keep ongoing',
  ],
  [
    'every time ahead, final and never confirmed',
    { ...old(-9_000), status: 'Error', ack: undefined },
    'refire unacknowledged',
  ],
  [
    'every time ahead, final and confirmed',
    { ...old(-9_000), status: 'Error', ack: ack('Error', now + 9_000) },
    'untrack acknowledged',
  ],
  [
    'never confirmed, updated as far ahead as clocks may differ',
    { ack: undefined, updateTime: now + 300 },
    'keep recently-updated',
  ],
  ['silent, and dead', { ...old(86_401), evidence: found('dead') }, 'fail hung'],
  ['silent, and periodic', { ...old(86_401), kind: 'Periodic' }, 'keep ongoing'],
  ['silent, with a run_at ahead', { ...old(86_401), runAt: now + 1_000 }, 'keep ongoing'],
  ['silent, but enqueued recently', { ...old(86_401), enqueueTime: now - 100 }, 'keep ongoing'],
  [
    'silent, but checked in of late',
    { ...old(86_401), checkInAt: now - 100, ack: ack('Running', now - 86_401, now - 100) },
    'keep ongoing',
  ],
  [
    'final is never hung',
    { ...old(1_000_000), status: 'Success', ack: ack('Success', now - 1_000_000) },
    'untrack acknowledged',
  ],
  ['confirmed', {}, 'keep ongoing'],
  ['confirmed and final', { status: 'Success', ack: ack('Success') }, 'untrack acknowledged'],
  [
    'its check-in is behind the ACK',
    { checkInAt: now - 300, ack: ack('Running', now - 600, now - 200) },
    'keep ongoing',
  ],
  [
    'its check-in is ahead of the ACK',
    { checkInAt: now - 300, ack: ack('Running', now - 600, now - 301) },
    'refire unacknowledged',
  ],
  ['a status ahead of the ACK', { status: 'Success' }, 'refire unacknowledged'],
  ['a revision ahead of the ACK', { ack: ack('Success', now - 601) }, 'refire unacknowledged'],
  ['an ACK that cannot be read', { ack: 'unreadable' }, 'refire unacknowledged'],
  ['never confirmed, without an endpoint', { ack: undefined, hasHook: false }, 'keep ongoing'],
  [
    'never confirmed, without an endpoint, final',
    { status: 'Stopped', ack: undefined, hasHook: false },
    'untrack no-endpoint',
  ],
  ['never confirmed, 59 s young', { ack: undefined, updateTime: now - 59 }, 'keep recently-updated'],
  ['never confirmed, 60 s old', { ack: undefined, updateTime: now - 60 }, 'refire unacknowledged'],
  ['never confirmed, no update_time', { ack: undefined, updateTime: undefined }, 'refire unacknowledged'],
];

test.each(table)('a job with %s', (_, otherwise, expected) => {
  const { verdict, reason, rule } = judge(facts(otherwise), policy);
  expect(`${verdict} ${reason}`).toBe(expected);
  const asked = explain(facts(otherwise), policy);
  expect(asked.map((each) => each.rule.number)).toEqual(Array.from({ length: rule }, (__, i) => i + 1));
  expect(asked.at(-1)?.judgement?.verdict).toBe(verdict);
});

test('fault 104: the verdict says which time is ahead, and by how much', () => {
  const detail = (otherwise: Partial<Facts>) => judge(facts(otherwise), policy).detail;
  expect(detail({ ...old(-400), ack: undefined, checkInAt: now + 500 })).toBe(
    ['updateTime is 400', 'checkInAt is 500', 'revision is 400', 'enqueueTime is 400']
      .map((time) => `${time} s ahead of the clock of Redis`)
      .join(', '),
  );
  expect(detail({ ...old(86_401), updateTime: now + 400, evidence: nowhere })).toContain(
    'silent for 86401 s, limit 86400 s; updateTime is 400 s ahead of the clock of Redis; nowhere',
  );
});

test('the detail of a silent job says for how long it is silent, and where its entry is', () => {
  const detail = (evidence?: Evidence) => judge(facts({ ...old(86_401), evidence }), policy).detail ?? '';
  const silence = 'silent for 86401 s, limit 86400 s; ';
  expect(detail()).toBe(`${silence}not looked for`);
  const places = ['observed', 'queue', 'scheduled', 'retry', 'held', 'unconfirmed', 'left', 'dead', 'nowhere'] as const;
  const details = [...places, 'unreadable' as const].map((where) => detail(found(where)));
  for (const text of details) expect(text).toMatch(/^silent for 86401 s, limit 86400 s; [a-z ,:]{8,}$/);
  expect(new Set(details).size).toBe(details.length);
  expect(detail({ ...found('held'), pool: 'p' })).toBe(`${detail(found('held'))} (pool p)`);
});

test.each([
  [{ stats: 'nothing' }, 'no stats'],
  [{ hasBrokenId: true }, 'the id is not valid UTF-8'],
  [{ stats: 'unreadable' }, 'the stats are not a hash'],
  [{ status: undefined }, 'no status'],
  [{ status: 'running' }, 'unknown status'],
  [{ statsId: 'j2' }, 'the id is that of another job'],
  [{ ack: ack('Success') }, 'Success was acknowledged'],
  [{ status: 'Success', ack: undefined, hasHook: false }, 'no hook URL'],
  [{ ack: undefined, hasHook: false }, 'no hook URL'],
  [{ ack: undefined, updateTime: now }, 'its own hook may be in flight'],
  [{ checkInAt: Number.NaN }, 'checkInAt is not a safe integer'],
  [{ updateTime: undefined, revision: undefined, enqueueTime: undefined }, 'none of its times is known'],
  [
    { ...old(300_000), name: 'LIMITED', evidence: { ...found('observed'), startedAt: now - 200_001 } },
    'runs for 200001 s, limit 200000 s',
  ],
] as const)('the detail of a job with %o is: %s', (otherwise, detail) => {
  expect(judge(facts(otherwise), policy).detail).toBe(detail);
});

test.each([
  ['no ACK', { ack: undefined }, false],
  ['an ACK of this state', { ack: ack('Running') }, true],
  ['an ACK of an older revision', { ack: ack('Running', now - 601) }, false],
  ['an ACK of an earlier status', { status: 'Success', ack: ack('Running') }, false],
  ['an ACK of an earlier status in a newer revision', { status: 'Success', ack: ack('Running', now) }, true],
  ['an ACK of an earlier check-in', { checkInAt: now - 5, ack: ack('Running') }, false],
  ['an ACK of a later status, and a check-in after it', { checkInAt: now - 5, ack: ack('Success') }, true],
] as const)('a job with %s, whether its state is acknowledged', (_, otherwise, expected) => {
  expect(isAcknowledged(facts(otherwise))).toBe(expected);
});

test('a reset names the confirmed status, and its revision only where that is newer', () => {
  expect(judge(facts({ ack: ack('Success') }), policy).target).toEqual({ status: 'Success' });
  expect(judge(facts({ ack: ack('Running', now) }), policy).target).toEqual({ status: 'Running', revision: now });
});

test.each([
  [undefined, undefined],
  ['12', 12],
  ['-5', -5],
  ['+5', 5],
  ['', Number.NaN],
  ['1.5', Number.NaN],
  [' 1', Number.NaN],
  ['0x10', Number.NaN],
  ['1e3', Number.NaN],
  ['99999999999999999999', Number.NaN],
  ['9007199254740991', 9_007_199_254_740_991],
  ['-9007199254740991', -9_007_199_254_740_991],
  ['9007199254740992', Number.NaN],
  ['9007199254740993', Number.NaN],
  ['-9007199254740992', Number.NaN],
  ['0000000000000000000000012', 12],
])('the time %j is read as %j', (text, time) => {
  expect(decodeTime(text)).toEqual(time);
});

test.each([
  '',
  '{',
  '[]',
  'null',
  '3',
  '"Running"',
  '{}',
  '{"status":"Running"}',
  '{"status":3,"revision":1}',
  '{"status":"Running","revision":"1"}',
  '{"status":"Running","revision":1.5}',
  '{"status":"Paused","revision":1}',
  '{"status":"Running","revision":1,"check_in_at":null}',
  '{"status":"Running","revision":9007199254740993}',
])('the ACK %j cannot be read', (text) => {
  expect(decodeAck(text)).toBe('unreadable');
});
