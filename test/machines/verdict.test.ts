/** The six rules as a table: their order, and both sides of each boundary. The expectations are those of design.md part 4. */
import { expect, test } from 'vitest';
import type { Ack, Facts } from '../../src/machines/facts.ts';
import { judge } from '../../src/machines/verdict.ts';
import { facts, now, policy } from '../support/facts.ts';

const at = now - 600;
const ack = (status: Ack['status'], revision = at, checkInAt = 0): Ack => ({ status, revision, checkInAt });
/** All times that were last seen `age` s ago, and an ACK of that revision. */
const silent = (age: number): Partial<Facts> => ({
  updateTime: now - age,
  revision: now - age,
  enqueueTime: now - age,
  ack: ack('Running', now - age),
});

const table: [behaviour: string, otherwise: Partial<Facts>, verdict: string, reason: string, rule: number][] = [
  ['no stats go before whatever else is wrong', { stats: 'nothing', status: 'Odd' }, 'untrack', 'lost', 1],
  ['stats that are no hash are left', { stats: 'unreadable' }, 'kept', 'malformed', 2],
  ['an unknown status is left, though an ack is ahead', { status: 'Odd', ack: ack('Success') }, 'kept', 'malformed', 2],
  ['a missing status is left', { status: undefined }, 'kept', 'malformed', 2],
  ['the name of an inherited property is no status', { status: 'toString' }, 'kept', 'malformed', 2],
  ['the id of another job is left', { statsId: 'j2' }, 'kept', 'malformed', 2],
  ['an update_time that is no integer is left', { updateTime: Number.NaN }, 'kept', 'malformed', 2],
  ['a check_in_at that is no integer is left', { checkInAt: Number.NaN }, 'kept', 'malformed', 2],
  ['a revision that is no integer is left', { revision: Number.NaN }, 'kept', 'malformed', 2],
  ['an enqueue_time that is no integer is left', { enqueueTime: Number.NaN }, 'kept', 'malformed', 2],
  ['a run_at that is no integer is left', { runAt: Number.NaN }, 'kept', 'malformed', 2],
  [
    'a running job without any time is left',
    { updateTime: undefined, revision: undefined, enqueueTime: undefined },
    'kept',
    'malformed',
    2,
  ],
  [
    'a final job without any time is judged',
    { status: 'Success', updateTime: undefined, revision: undefined, enqueueTime: undefined, ack: undefined },
    'refire',
    'not acknowledged',
    6,
  ],
  ['a status behind the ack is brought up', { ack: ack('Success') }, 'reset', 'behind', 3],
  ['a revision one second behind is brought up', { ack: ack('Pending', at + 1) }, 'reset', 'behind', 3],
  ['an ack of an older revision brings nothing up', { ack: ack('Success', at - 1) }, 'refire', 'not acknowledged', 6],
  ['behind goes before hung', { ...silent(100_000), ack: ack('Success', now - 100_000) }, 'reset', 'behind', 3],
  ['a limit just reached is not hung', silent(86_400), 'kept', 'ongoing', 5],
  ['one second beyond the limit is hung', silent(86_401), 'fail', 'hung', 4],
  ["a type's own limit just reached is not hung", { ...silent(200_000), name: 'SLOW' }, 'kept', 'ongoing', 5],
  ["one second beyond a type's own limit is hung", { ...silent(200_001), name: 'SLOW' }, 'fail', 'hung', 4],
  ['a late update is a sign of life', { ...silent(90_000), updateTime: now - 86_400 }, 'kept', 'ongoing', 5],
  [
    'a late check-in is a sign of life',
    { ...silent(90_000), checkInAt: at, ack: ack('Running', now - 90_000, at) },
    'kept',
    'ongoing',
    5,
  ],
  ['a late reset is a sign of life', { ...silent(90_000), revision: at, ack: ack('Running') }, 'kept', 'ongoing', 5],
  ['a late enqueueing is a sign of life', { ...silent(90_000), enqueueTime: at }, 'kept', 'ongoing', 5],
  ['a run_at ahead is a sign of life', { ...silent(90_000), runAt: now + 1 }, 'kept', 'ongoing', 5],
  ['a periodic policy never hangs', { ...silent(90_000), kind: 'Periodic' }, 'kept', 'ongoing', 5],
  ['a final job never hangs', { ...silent(90_000), status: 'Success' }, 'refire', 'not acknowledged', 6],
  ['hung goes before the missing receiver', { ...silent(86_401), hasHook: false }, 'fail', 'hung', 4],
  ['a confirmed final job is settled', { status: 'Stopped', ack: ack('Error') }, 'untrack', 'settled', 5],
  [
    'a confirmed final job without a receiver is settled',
    { status: 'Error', ack: ack('Error'), hasHook: false },
    'untrack',
    'settled',
    5,
  ],
  [
    'a check-in only behind the ack is confirmed',
    { checkInAt: at, ack: ack('Running', at, at + 1) },
    'kept',
    'ongoing',
    5,
  ],
  [
    'a check-in one second ahead is told',
    { checkInAt: at + 1, ack: ack('Running', at, at) },
    'refire',
    'not acknowledged',
    6,
  ],
  ['an unreadable ack is none', { ack: 'unreadable' }, 'refire', 'not acknowledged', 6],
  ['a final job without a receiver is let go', { status: 'Success', hasHook: false }, 'untrack', 'nobody to tell', 6],
  ['an unfinished job without a receiver is kept', { ack: undefined, hasHook: false }, 'kept', 'ongoing', 6],
  ['59 s after its update a job is young', { ack: undefined, updateTime: now - 59 }, 'kept', 'young', 6],
  ['60 s after its update a job is told', { ack: undefined, updateTime: now - 60 }, 'refire', 'not acknowledged', 6],
];

test.each(table)('%s', (_, otherwise, verdict, reason, rule) => {
  expect(judge(facts(otherwise), policy)).toMatchObject({ verdict, reason, rule });
});

test('a reset takes over the revision only where that is newer', () => {
  expect(judge(facts({ ack: ack('Success', at) }), policy).target).toEqual({ status: 'Success' });
  expect(judge(facts({ ack: ack('Running', at + 1) }), policy).target).toEqual({ status: 'Running', revision: at + 1 });
});
