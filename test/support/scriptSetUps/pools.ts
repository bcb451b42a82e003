/** Set-ups of the scripts on pools and counters. */
import type { ScriptName } from '../../../src/io/redis/scripts.ts';
import { alsoRecorded } from './recorded.ts';
import {
  changes,
  entry,
  hash,
  heartbeat,
  held,
  isCounter,
  isNote,
  list,
  lock,
  lockInfo,
  oldBeat,
  pool,
  pools,
  rescueNote,
  type SetUp,
  string,
} from './values.ts';

const opened = 't:reaper:recount:X';

export const poolSetUps = {
  read_drift: [
    {
      title: 'counters that have drifted',
      state: { ...pool(oldBeat, entry('j')), [lock]: string(5), [lockInfo]: hash({ p: 3, q: 1 }) },
      keys: [lock, lockInfo, held, 't:jobs:X:q:inprogress'],
      args: ['p', 'q'],
      goesOn: { [held]: { reason: 'a key that is not a list holds no entries', keys: [] } },
    },
  ],
  read_held: [{ title: 'a list', state: { [held]: list(entry('j'), entry('k')) }, keys: [held], args: [0, 10, 1_000] }],
  read_observations: [
    {
      title: 'two workers',
      state: { 't:worker:w': hash({ job_id: 'j', job_name: 'X', args: '' }), 't:worker:v': hash({ job_id: 'k' }) },
      keys: ['t:worker:w', 't:worker:v'],
      args: [1_000],
      goesOn: { 't:worker:w': { reason: '`unreadable`' }, 't:worker:v': { reason: '`unreadable`' } },
    },
  ],
  rebuild_counters: alsoRecorded([
    {
      title: 'counters that have drifted',
      state: { ...pool(oldBeat, entry('j')), [lock]: string(5), [lockInfo]: hash({ p: 3, q: 1 }) },
      keys: [lock, lockInfo, held, 't:jobs:X:q:inprogress'],
      args: ['p', 'q'],
      goesOn: { [held]: { reason: 'a key that is not a list holds no entries', keys: [lock, lockInfo, changes] } },
      once: true,
    },
  ]),
  open_recount: [{ title: 'of a lock', state: { [lock]: string(5) }, keys: [lock, opened], args: ['mine'] }],
  close_recount: alsoRecorded([
    {
      title: 'not written since it was opened',
      // Redis keeps so long a number as a text, as it does what `open_recount` has written.
      state: { [lock]: string('5'.padStart(45, '0')), [opened]: string('mine\n5') },
      keys: [lock, opened],
      args: ['mine', 2],
      once: true,
    },
    {
      title: 'written since it was opened',
      state: { [lock]: string(5), [opened]: string('mine\n5') },
      keys: [lock, opened],
      args: ['mine', 2],
      once: true,
    },
  ]),
  recount_pools: alsoRecorded([
    {
      title: 'fields that have drifted, and one that has not',
      state: { ...pool(oldBeat, entry('j')), [lockInfo]: hash({ p: 3, q: 1, r: 0 }) },
      keys: [lockInfo, held, 't:jobs:X:q:inprogress', 't:jobs:X:r:inprogress'],
      args: ['p', 'q', 'r'],
      goesOn: { [held]: { reason: 'a key that is not a list holds no entries', keys: [lockInfo, changes] } },
      once: true,
    },
  ]),
  clear_counts: [
    {
      title: 'of a pool that holds nothing',
      state: pool(oldBeat),
      keys: [pools, heartbeat, held, lockInfo],
      args: ['p', 10_000, oldBeat],
      goesOn: { [lockInfo]: { ...isCounter, keys: [changes] } },
      once: true,
    },
  ],
  deregister_pool: alsoRecorded([
    {
      title: 'one that holds nothing',
      state: { ...pool(oldBeat), [rescueNote]: string('1') },
      keys: [pools, heartbeat, rescueNote, held, lockInfo],
      args: ['p', 10_000, oldBeat],
      goesOn: { [lockInfo]: isCounter, [rescueNote]: isNote, EXISTS: isNote },
      once: true,
    },
  ]),
} satisfies Partial<Record<ScriptName, readonly SetUp[]>>;
