/** Set-ups of the scripts on poison jobs and their quarantine. */
import type { ScriptName } from '../../../src/io/redis/scripts.ts';
import { placeOf, second } from '../jobs.ts';
import { markOf } from '../pools.ts';
import type { State } from '../states.ts';
import { alsoRecorded } from './recorded.ts';
import {
  at,
  before,
  beforeQuarantine,
  changes,
  dead,
  deadMember,
  digest,
  digestOf,
  type Exception,
  entry,
  executions,
  fingerprintOf,
  hash,
  heartbeat,
  held,
  hookKeys,
  isCounter,
  isNote,
  lock,
  lockInfo,
  oldBeat,
  origin,
  pool,
  pools,
  quarantine,
  quarantined,
  queue,
  recoveries,
  rescueNote,
  runs,
  type SetUp,
  stats,
  track,
  withRecord,
  zset,
} from './values.ts';

const died = (times: number) =>
  JSON.stringify(Array.from({ length: times }, (_, i) => [before + i, `old${i}`, String(before)]));

const inQuarantine: State = {
  [quarantine]: hash({ j: quarantined }),
  [dead]: zset({ [deadMember]: before }),
  [recoveries]: hash({ j: died(3) }),
};

const ofTwoTypes = JSON.stringify({
  at: before,
  recoveries: [[before, 'p', '']],
  entries: [
    ['Y', 'another', 'another entry'],
    ['X', entry('j'), deadMember],
  ],
});

const notForgotten: Exception = { reason: 'its recoveries are not forgotten then', keys: [recoveries] };

const otherStats: Exception = {
  reason: '`overtaken`: the stats are not as they were read',
  keys: [
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
};

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
const poisonArgs = [3, 86_400, 'X', 'j', fingerprintOf(runs), origin, at, 100];

export const quarantineSetUps = {
  release_quarantined: alsoRecorded([
    {
      title: 'a poison job',
      state: inQuarantine,
      keys: [quarantine, dead, recoveries, queue],
      args: ['j', digest, ''],
      goesOn: { [recoveries]: notForgotten, HSET: notForgotten },
      once: true,
    },
  ]),
  drop_quarantined: alsoRecorded([
    {
      title: 'a poison job',
      state: inQuarantine,
      keys: [quarantine, dead, recoveries],
      args: ['j', digest, ''],
      goesOn: { [recoveries]: notForgotten, HSET: notForgotten },
      once: true,
    },
    {
      title: 'one of two entries',
      state: { ...inQuarantine, [quarantine]: hash({ j: ofTwoTypes }) },
      keys: [quarantine, dead, recoveries],
      args: ['j', digestOf(ofTwoTypes), 'X'],
      goesOn: { [recoveries]: notForgotten },
      once: true,
    },
  ]),
  forget_quarantined: [
    {
      title: 'a job whose entry somebody has taken',
      state: { ...inQuarantine, [dead]: zset({ other: before }) },
      keys: [quarantine, dead, recoveries],
      args: ['j', digest],
      goesOn: { [recoveries]: notForgotten, HSET: notForgotten },
      once: true,
    },
  ],
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
      title: 'a poison job',
      keys: [held, ...poisonKeys],
      args: ['p', placeOf(entry('j'), 1), ...poisonArgs],
      once: true,
    },
  ]),
  find_quarantined: [{ title: 'one', state: inQuarantine, keys: [quarantine, dead], args: ['j'] }],
  read_quarantine: [{ title: 'some', state: inQuarantine, keys: [quarantine, dead], args: ['0', 10] }],
} satisfies Partial<Record<ScriptName, readonly SetUp[]>>;
