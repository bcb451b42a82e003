/** Set-ups of the scripts on entries that are requeued, quarantined or finished. */
import type { ScriptName } from '../../../src/io/redis/scripts.ts';
import { placeOf, second } from '../jobs.ts';
import { markOf } from '../pools.ts';
import type { State } from '../states.ts';
import { alsoRecorded } from './recorded.ts';
import {
  at,
  before,
  changes,
  dead,
  died,
  type Exception,
  entry,
  executions,
  fingerprintOf,
  fresh,
  hash,
  heartbeat,
  held,
  hookKeys,
  isCounter,
  isNote,
  job,
  list,
  lock,
  lockInfo,
  oldBeat,
  origin,
  pool,
  pools,
  quarantine,
  queue,
  recoveries,
  rescueNote,
  runs,
  type SetUp,
  stats,
  thisRun,
  track,
  withRecord,
  zset,
} from './values.ts';

const recovered = 't:reaper:recovered';
const beforeQuarantine = 't:reaper:quarantine:before:j';
const workers = 't:reaper:workers:p';
const unobserved = 't:reaper:unobserved:p';

const oldRecoveries: State = {
  [recoveries]: hash({ gone: JSON.stringify([[second(-200_000), 'x', '']]) }),
  [recovered]: list(`${second(-200_000)}\ngone`),
};

const leftAlone = (reason: string): Exception => ({
  reason: `${reason}: left`,
  keys: [held, queue, lock, lockInfo, unobserved, recoveries, recovered, changes],
});

const keepsEntries: Exception = {
  reason: 'a record of ours must not hold an entry back; the answer says so',
  keys: [recoveries, recovered, changes],
};

const writtenByQuarantine = [
  ...[
    held,
    rescueNote,
    lock,
    lockInfo,
    dead,
    recoveries,
    quarantine,
    beforeQuarantine,
    track,
    executions,
    ...hookKeys,
    changes,
  ],
];
const otherStats: Exception = {
  reason: '`overtaken`: the stats are not as they were read',
  keys: writtenByQuarantine,
};
const notQuarantined = (reason: string): Exception => ({
  reason: `${reason}: left`,
  keys: [...writtenByQuarantine, stats, unobserved],
});

/** Without one of these an entry moves all the same, and its recovery is not counted. */
const uncounted: Readonly<Record<string, Exception>> = Object.fromEntries(
  [recoveries, recovered, 'EXPIRE', 'RPUSH', 'LINDEX', 'LPOP', 'HDEL', 'HMGET'].map((need) => [need, keepsEntries]),
);

const poisonJob: State = {
  ...runs,
  ...withRecord(`parked Pending:1 ${origin} 1 1 1 404`),
  ...pool(oldBeat, entry('other'), entry('j')),
  [recoveries]: hash({ j: died(3) }),
  [executions]: zset({ j: before }),
  [quarantine]: hash({ gone: JSON.stringify({ at: second(-9_000_000), recoveries: [], entries: [] }) }),
};
/** What both ways into the quarantine have in common. */
const ofPoisonJob = {
  state: poisonJob,
  goesOn: { [lock]: isCounter, [lockInfo]: isCounter, [stats]: otherStats },
} satisfies Partial<SetUp>;
const poisonKeys = [
  ...[lock, lockInfo, dead, recoveries, quarantine, stats, track, ...hookKeys],
  ...[beforeQuarantine, executions],
];
const requeueKeys = [
  pools,
  heartbeat,
  recoveries,
  recovered,
  quarantine,
  dead,
  rescueNote,
  held,
  queue,
  lock,
  lockInfo,
];
const poisonArgs = [3, 86_400, 'X', 'j', fingerprintOf(runs), origin, at, 100];

export const recoverySetUps = {
  finish_entry: alsoRecorded([
    {
      title: 'an entry whose job has ended, and an observation that names it still',
      state: {
        ...job('Success'),
        ...pool(second(0), entry('j'), entry('other')),
        't:worker:w': hash({ job_id: 'j', job_name: 'X', args: '' }),
      },
      keys: [pools, heartbeat, held, lock, lockInfo, stats, 't:worker:w'],
      args: ['p', 3_600_000, placeOf(entry('j'), 2), 'j', before, before, 60],
      goesOn: {
        [lock]: isCounter,
        [lockInfo]: isCounter,
        [stats]: {
          reason: 'whether the job has ended cannot be read: left',
          keys: [held, lock, lockInfo, 't:worker:w', changes],
        },
        't:worker:w': { reason: 'what it says cannot be read, and is left' },
      },
      once: true,
    },
  ]),
  observe_pool: [
    {
      title: 'the first look since Redis was started',
      state: {
        ...runs,
        [workers]: hash({ at, run: 'other', 'w:gone': `${at} 1 - - x` }),
        [unobserved]: hash({ gone: `${at} x` }),
        't:worker:w': hash({ job_id: 'other', job_name: 'X', args: '' }),
      },
      keys: [workers, unobserved, 't:worker:w', stats, beforeQuarantine],
      args: ['', 86_400, '', 1, 'w', 'f'],
      goesOn: {
        INFO: { reason: 'the run id is empty', keys: [workers] },
        [stats]: { reason: 'that it cannot be read is kept', keys: [unobserved] },
        't:worker:w': { reason: 'that it cannot be read is kept', keys: [workers] },
        [beforeQuarantine]: { reason: 'the job is not an Error', keys: [] },
      },
    },
  ],
  plan_requeue: [
    {
      title: 'an entry, and one of a poison job',
      state: { ...pool(oldBeat, entry('other'), entry('j')), ...oldRecoveries },
      keys: [pools, heartbeat, held, queue, recoveries, recovered, quarantine, dead],
      args: ['p', 10_000, oldBeat, 0, 100, 3, 86_400, ''],
      goesOn: { ...uncounted },
    },
  ],
  requeue_orphan: alsoRecorded([
    {
      title: 'an entry that no worker runs',
      state: {
        ...fresh,
        ...pool(second(0), entry('j'), entry('other')),
        ...oldRecoveries,
        [unobserved]: hash({ f: `${at} Pending|${before}||${before}`, other: `${at} x` }),
        [workers]: hash({ at, run: thisRun }),
        't:worker:w': hash({ job_id: 'other', job_name: 'X', args: '' }),
      },
      keys: [
        ...[pools, heartbeat, held, queue, lock, lockInfo, stats, recoveries, recovered, quarantine, dead],
        ...[beforeQuarantine, workers, unobserved, 't:worker:w'],
      ],
      args: ['p', 3_600_000, placeOf(entry('j'), 2), 'j', 'f', 30_000, '', 3, 86_400, '', '', '', 'w'],
      goesOn: {
        [lock]: isCounter,
        [lockInfo]: isCounter,
        ...uncounted,
        [stats]: leftAlone('what the job is cannot be read'),
        't:worker:w': leftAlone('what it runs cannot be read'),
        INFO: leftAlone('whether Redis was restarted since is not known'),
      },
      once: true,
    },
  ]),
  quarantine_entry: alsoRecorded([
    {
      ...ofPoisonJob,
      goesOn: { ...ofPoisonJob.goesOn, [rescueNote]: isNote },
      title: 'a poison job',
      keys: [pools, heartbeat, held, rescueNote, ...poisonKeys],
      args: ['p', 10_000, oldBeat, ...poisonArgs],
      once: true,
    },
    {
      ...ofPoisonJob,
      goesOn: { ...ofPoisonJob.goesOn, [rescueNote]: isNote },
      title: 'a planned entry of a poison job',
      keys: [pools, heartbeat, held, rescueNote, ...poisonKeys],
      args: ['p', 10_000, oldBeat, ...poisonArgs, '', markOf('q', entry('j'))],
      once: true,
    },
  ]),
  quarantine_orphan: alsoRecorded([
    {
      ...ofPoisonJob,
      title: 'a poison job that no worker runs',
      state: {
        ...poisonJob,
        ...pool(second(0), entry('other'), entry('j')),
        [unobserved]: hash({ f: `${at} Running|${before}||${before}` }),
        [workers]: hash({ at, run: thisRun, 'w:w': `${at} 1 ${second(0)} - other` }),
        't:worker:w': hash({ job_id: 'other', job_name: 'X', args: '' }),
      },
      keys: [held, ...poisonKeys, pools, heartbeat, workers, unobserved, 't:worker:w'],
      args: ['p', placeOf(entry('j'), 1), ...poisonArgs, '', 3_600_000, 'f', 30_000, '', '', 'w'],
      goesOn: {
        [lock]: isCounter,
        [lockInfo]: isCounter,
        [stats]: notQuarantined('what the job is cannot be read'),
        't:worker:w': notQuarantined('what it runs cannot be read'),
        INFO: notQuarantined('whether Redis was restarted since is not known'),
      },
      once: true,
    },
  ]),
  requeue: alsoRecorded([
    {
      title: 'two entries',
      state: { ...pool(oldBeat, entry('other'), entry('j')), ...oldRecoveries },
      keys: requeueKeys,
      args: ['p', 10_000, oldBeat, 100, 3, 86_400, '', 'X'],
      goesOn: {
        [lock]: isCounter,
        [lockInfo]: isCounter,
        [rescueNote]: isNote,
        ...uncounted,
      },
      once: true,
    },
    {
      title: 'two planned entries',
      state: { ...pool(oldBeat, entry('other'), entry('j')), ...oldRecoveries },
      keys: requeueKeys,
      args: [
        ...['p', 10_000, oldBeat, 100, 3, 86_400, '', 'X'],
        ...[markOf('r', entry('other')) + markOf('r', entry('j')), 0],
      ],
      goesOn: { [lock]: isCounter, [lockInfo]: isCounter, [rescueNote]: isNote, ...uncounted },
      once: true,
    },
    {
      title: 'entries of two types',
      state: {
        ...pool(oldBeat, entry('other')),
        't:jobs:Y:p:inprogress': list('{"name":"Y","id":"k","t":1}'),
        ...oldRecoveries,
      },
      keys: [...requeueKeys, 't:jobs:Y:p:inprogress', 't:jobs:Y', 't:jobs:Y:lock', 't:jobs:Y:lock_info'],
      args: ['p', 10_000, oldBeat, 100, 3, 86_400, '', 'X', 'Y'],
      goesOn: {
        ...Object.fromEntries(
          [lock, lockInfo, 't:jobs:Y:lock', 't:jobs:Y:lock_info'].map((counter) => [counter, isCounter]),
        ),
        [rescueNote]: isNote,
        ...uncounted,
      },
      once: true,
    },
  ]),
} satisfies Partial<Record<ScriptName, readonly SetUp[]>>;
