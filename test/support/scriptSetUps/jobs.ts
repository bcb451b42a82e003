/** Set-ups of the scripts on tracked jobs. */
import type { ScriptName } from '../../../src/io/redis/scripts.ts';
import type { State } from '../states.ts';
import { alsoRecorded, audit } from './recorded.ts';
import {
  at,
  before,
  claimedUntil,
  dead,
  deadMember,
  due,
  entry,
  executions,
  fingerprintOf,
  fresh,
  hash,
  hookKeys,
  job,
  list,
  origin,
  queue,
  runs,
  type SetUp,
  sending,
  stats,
  track,
  withRecord,
  zset,
} from './values.ts';

const ack = (status: string, revision = before) => JSON.stringify({ status, revision, check_in_at: 0 });

export const jobSetUps = {
  acknowledge: [
    {
      title: 'a final status',
      state: job('Success'),
      keys: [stats, track],
      args: ['Success', before, 0, 'j'],
    },
    {
      title: 'the last of the count',
      state: { ...job('Success', { ack: ack('Running') }), [track]: hash({ j: 1, other: 1 }) },
      keys: [stats, track],
      args: ['Success', before, 0, 'j'],
    },
    { title: 'a status that is not final', state: runs, keys: [stats, track], args: ['Running', before, 0, 'j'] },
  ],
  check_in: [
    { title: 'without an endpoint', state: runs, keys: [stats, ...hookKeys], args: [before, 'j'], once: true },
    {
      title: 'while it is sent',
      state: { ...runs, ...withRecord(sending(), { waits: claimedUntil }) },
      keys: [stats, ...hookKeys],
      args: [before, 'j', origin, '', 100],
      once: true,
    },
    {
      title: 'after it was parked',
      state: { ...runs, ...withRecord(`parked Pending:${before} ${origin} 1 1 1 404`) },
      keys: [stats, ...hookKeys],
      args: [before, 'j', origin, '', 100],
      once: true,
    },
  ],
  read_facts: [
    { title: 'a job', state: runs, keys: [stats], args: [], goesOn: { [stats]: { reason: '`unreadable`' } } },
  ],
  read_entries: [
    { title: 'a queue', state: { [queue]: list(entry('j'), entry('k')) }, keys: [queue], args: [0, 10, 1_000] },
  ],
  read_queue: [{ title: 'a queue', state: { [queue]: list(entry('j'), entry('k')) }, keys: [queue], args: [] }],
  reset_job: [
    {
      title: 'a job that has ended',
      state: {
        ...job('Stopped', { ack: ack('Stopped'), check_in: 'x', check_in_at: before }, 86_400),
        [track]: hash({ o: 2 }),
      },
      keys: [stats, track],
      args: ['j', 'Pending', before],
      once: true,
    },
  ],
  restore_ack: alsoRecorded(
    [
      restored(
        'to a newer attempt',
        job('Stopped', { ack: ack('Running', before + 5) }, 86_400),
        'Running',
        before + 5,
      ),
      restored('to its end', job('Running', { ack: ack('Error') }), 'Error', ''),
    ],
    {
      goesOn: { [track]: { reason: 'only the end of a job counts it down', keys: [audit] } },
    },
  ),
  save_job: [
    {
      title: 'a new execution, over an old one',
      state: job('Success', {}, 86_400),
      keys: [stats, track, executions],
      args: ['j', 9, 'id', 'j', 'status', 'Pending'],
      once: true,
    },
    { title: 'a new job', state: {}, keys: [stats, track], args: ['j', 0, 'id', 'j', 'status', 'Pending'], once: true },
  ],
  scan_entries: [
    { title: 'a set', state: { [dead]: zset({ [deadMember]: before }) }, keys: [dead], args: ['0', 10, 1_000] },
  ],
  scan_tracked: [
    {
      title: 'a page',
      state: runs,
      keys: [track],
      args: ['0', 10],
      goesOn: { INFO: { reason: 'the run id is empty' } },
    },
  ],
  begin_attempt: [
    {
      title: 'an attempt',
      state: job('Success', {}, 86_400),
      keys: [stats, track, ...hookKeys],
      args: [before + 1, 'j', origin, at, 100],
      once: true,
    },
  ],
  fail_job: alsoRecorded([
    {
      title: 'the last of the count, lost from its queue',
      state: {
        ...runs,
        ...withRecord(`pending Error:${before} ${origin} 0 0 0 -`),
        [due]: zset({ other: at }),
        [track]: hash({ j: 1, other: 1 }),
      },
      keys: [stats, track, ...hookKeys],
      args: [before, 'j', fingerprintOf(runs), origin, at, 100],
      once: true,
      fenced: true,
    },
    {
      title: 'without an endpoint',
      state: runs,
      keys: [stats, track],
      args: [before, 'j', fingerprintOf(runs)],
      once: true,
    },
  ]),
  set_status: [
    {
      title: 'the end of an execution',
      state: { ...runs, ...withRecord(`parked Pending:1 ${origin} 1 1 1 404`), [executions]: zset({ j: before }) },
      keys: [stats, track, ...hookKeys, executions],
      args: ['Error', before, 'j', origin, at, 100],
      once: true,
    },
    {
      title: 'a beginning',
      state: job('Success', {}, 86_400),
      keys: [stats, track, ...hookKeys],
      args: ['Running', before + 1, 'j', origin, at, 100],
      once: true,
    },
    {
      title: 'without an endpoint',
      state: fresh,
      keys: [stats, track],
      args: ['Stopped', before, 'j'],
      once: true,
    },
  ],
  untrack: alsoRecorded([
    {
      title: 'a job that has ended',
      state: runs,
      keys: [stats, track],
      args: ['j', fingerprintOf(runs)],
      goesOn: { [stats]: { reason: 'it is not as it was judged', keys: [track] } },
    },
  ]),
} satisfies Partial<Record<ScriptName, readonly SetUp[]>>;

function restored(title: string, state: State, status: string, revision: string | number): SetUp {
  return {
    title,
    state,
    keys: [stats, track],
    args: ['j', status, revision, fingerprintOf(state)],
    once: true,
    fenced: true,
  };
}
