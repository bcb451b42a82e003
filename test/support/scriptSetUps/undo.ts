/** Set-ups of the scripts that undo an act. */
import type { ScriptName } from '../../../src/io/redis/scripts.ts';
import type { State } from '../states.ts';
import { alsoRecorded, auditKept } from './recorded.ts';
import {
  at,
  before,
  changes,
  dead,
  deadMember,
  digest,
  digestOf,
  due,
  executions,
  fields,
  fingerprintOf,
  hash,
  hookKeys,
  hooks,
  job,
  list,
  origin,
  parked,
  quarantine,
  quarantined,
  queue,
  recoveries,
  runs,
  type SetUp,
  stats,
  string,
  track,
  twoQuarantined,
  withRecord,
  zset,
} from './values.ts';

const recovered = 't:reaper:recovered';
const ack = (status: string) => JSON.stringify({ status, revision: before, check_in_at: 0 });
const inQuarantine: State = {
  [quarantine]: hash({ j: quarantined }),
  [dead]: zset({ [deadMember]: before }),
  [recoveries]: hash({
    j: JSON.stringify([
      [before, 'p', ''],
      [before, 'q', ''],
    ]),
  }),
};

/** An entry of the audit stream about the fail of a job, and the state that it has left. */
const failed = { was: facts({ status: 'Running', tracked: 2 }), is: facts({ status: 'Error', tracked: 1 }) };
const afterFail: State = {
  ...job('Error', {}, 604_800),
  [track]: hash({ j: 1, other: 2 }),
  ...withRecord(`pending Error:${before} ${origin} 0 0 0 -`),
};
function facts(changes: Record<string, string | number>) {
  const all = { status: '', revision: before, update_time: before, ...changes };
  return JSON.stringify(Object.fromEntries(Object.entries(all).map(([name, value]) => [name, String(value)])));
}
const pendingError = `pending Error:${before} ${origin} 0 0 0 -`;
const droppedRecord = `parked Running:1 ${origin} 0 0 0 dropped`;
const printOfRuns = fingerprintOf(runs);
const ofOneType = twoQuarantined('X');
const dropped = JSON.stringify({
  record: quarantined,
  members: [[deadMember, String(before)]],
  recoveries: JSON.stringify([[before, 'p', '']]),
});

export const undoSetUps = {
  undo_status: alsoRecorded([
    {
      title: 'a fail whose hook is pending',
      state: afterFail,
      keys: [stats, track, hooks, parked, due],
      args: ['j', failed.was, failed.is, pendingError, '1-0'],
      once: true,
    },
    {
      title: 'a reset of a job that had ended',
      state: { ...job('Running', { ack: ack('Running') }), [hooks]: hash({ other: 'x' }) },
      keys: [stats, track, hooks, parked, due],
      args: [
        ...['j', facts({ status: 'Stopped', tracked: 2, ack: ack('Running') }), facts({ status: 'Running' })],
        ...['', '1-0'],
      ],
      once: true,
    },
  ]),
  undo_quarantine: alsoRecorded([
    {
      title: 'of an execution whose hook is pending',
      state: {
        ...afterFail,
        [stats]: hash({ ...fields, status: 'Error', revision: before, run_at: before }, 604_800),
        ...inQuarantine,
        [executions]: zset({ j: -1, other: 5 }),
      },
      keys: [stats, track, hooks, parked, due, quarantine, dead, queue, recoveries, executions],
      args: [...['j', failed.was, facts({ status: 'Error', tracked: 1, record: digest }), pendingError, '1-0', 'X']],
      once: true,
    },
    {
      title: 'of one entry of two',
      state: {
        [quarantine]: hash({ j: ofOneType }),
        [dead]: zset({ [deadMember]: before, 'another entry': before }),
        [recoveries]: hash({
          j: JSON.stringify([
            [before, 'p', ''],
            [before, 'other', ''],
          ]),
        }),
      },
      keys: [stats, track, hooks, parked, due, quarantine, dead, queue, recoveries],
      args: ['j', '{}', JSON.stringify({ record: digestOf(ofOneType) }), '', '1-0', 'X'],
      once: true,
    },
  ]),
  undo_drop_hook: alsoRecorded([
    {
      title: 'of a pending hook',
      state: withRecord(droppedRecord),
      keys: hookKeys,
      args: [at, 'j', `pending Running:1 ${origin} 0 0 0 -`, droppedRecord, '', '1-0'],
      once: true,
    },
    {
      title: 'of a parked hook',
      state: withRecord(droppedRecord),
      keys: hookKeys,
      args: [at, 'j', `parked Running:1 ${origin} 1 1 1 404`, droppedRecord, at - 5, '1-0'],
      once: true,
    },
  ]),
  undo_drop_quarantined: alsoRecorded([
    {
      title: 'all of it',
      state: {
        [auditKept]: string(dropped),
        [quarantine]: hash({ other: quarantined }),
        [dead]: zset({ other: before }),
        [recoveries]: hash({ j: JSON.stringify([[before, 'q', '']]) }),
        [recovered]: list(`${before}\nother`),
      },
      keys: [quarantine, dead, auditKept, recoveries, recovered],
      args: ['j', '', '1-0'],
      once: true,
    },
  ]),
  undo_untrack: alsoRecorded([
    {
      title: 'of a job that is as it was',
      state: { ...runs, [track]: hash({ other: 2 }) },
      keys: [stats, track],
      args: [
        ...[
          'j',
          JSON.stringify({ ...JSON.parse(facts({ status: 'Running', tracked: 2 })), print: printOfRuns }),
          '1-0',
        ],
      ],
      once: true,
      goesOn: { [stats]: { reason: '`moved`: it is not as it was', keys: [track, changes] } },
    },
  ]),
} satisfies Partial<Record<ScriptName, readonly SetUp[]>>;
