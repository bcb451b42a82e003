/** Set-ups of the scripts on jobs in quarantine. */
import type { ScriptName } from '../../../src/io/redis/scripts.ts';
import type { State } from '../states.ts';
import { alsoRecorded } from './recorded.ts';
import {
  before,
  dead,
  deadMember,
  died,
  digest,
  digestOf,
  type Exception,
  hash,
  quarantine,
  quarantined,
  queue,
  recoveries,
  type SetUp,
  twoQuarantined,
  zset,
} from './values.ts';

const inQuarantine: State = {
  [quarantine]: hash({ j: quarantined }),
  [dead]: zset({ [deadMember]: before }),
  [recoveries]: hash({ j: died(3) }),
};

const ofTwoTypes = twoQuarantined('Y');

const notForgotten: Exception = { reason: 'its recoveries are not forgotten then', keys: [recoveries] };

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
  find_quarantined: [{ title: 'one', state: inQuarantine, keys: [quarantine, dead], args: ['j'] }],
  read_quarantine: [{ title: 'some', state: inQuarantine, keys: [quarantine, dead], args: ['0', 10] }],
} satisfies Partial<Record<ScriptName, readonly SetUp[]>>;
