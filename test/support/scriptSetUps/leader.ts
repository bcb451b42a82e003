/** Set-ups of the scripts of the leader, and of the change tokens. */
import type { ScriptName } from '../../../src/io/redis/scripts.ts';
import { at, type Exception, hash, lease, runs, type SetUp, thisRun, track } from './values.ts';

const progress = 't:reaper:progress';

export const leaderSetUps = {
  begin_sweep: [
    { title: 'the first', state: runs, keys: [progress, track], args: [], fenced: true, goesOn: { INFO: noRunId() } },
    {
      title: 'one that another process of Redis has begun',
      state: { ...runs, [progress]: hash({ cursor: 7, scanned: 9, run_id: 'other', begun: at }) },
      keys: [progress, track],
      args: [],
      fenced: true,
      goesOn: { INFO: noRunId() },
    },
  ],
  cancel_change: [{ title: 'one that was not done', state: {}, keys: [], args: [], once: true }],
  complete_rescue: [{ title: 'the first', state: {}, keys: [progress], args: [], fenced: true }],
  complete_sweep: [
    {
      title: 'the present one',
      state: { [progress]: hash({ cursor: 7, scanned: 9 }) },
      keys: [progress],
      args: [12],
      fenced: true,
    },
  ],
  resign_lease: [
    {
      title: 'its own',
      state: { [lease]: hash({ holder: 'me', host: 'h', fence: 5, since: at, until: at + 9_000_000 }) },
      keys: [lease],
      args: ['me'],
    },
  ],
  checkpoint_sweep: [
    {
      title: 'the first since Redis was started',
      state: { [progress]: hash({ cursor: 7, scanned: 9 }) },
      keys: [progress],
      args: [8, 12, thisRun],
      fenced: true,
      goesOn: { INFO: noRunId() },
    },
    {
      title: 'a page',
      state: { [progress]: hash({ cursor: 7, scanned: 9, run_id: 'other' }) },
      keys: [progress],
      args: [8, 12, thisRun],
      fenced: true,
      goesOn: { INFO: noRunId() },
    },
  ],
  acquire_lease: [
    { title: 'a free one', state: {}, keys: [lease, progress], args: ['me', 'h', '', 1_000] },
    {
      title: 'its own again',
      state: { [lease]: hash({ holder: 'me', host: 'h', fence: 5, since: at, until: at + 9_000_000 }) },
      keys: [lease, progress],
      args: ['me', 'h', 5, 1_000],
    },
  ].map((setUp) => ({
    ...setUp,
    goesOn: { [progress]: { reason: 'who has the lease can rescue, and sweep from the beginning' } },
  })),
} satisfies Partial<Record<ScriptName, readonly SetUp[]>>;

function noRunId(): Exception {
  return { reason: 'without INFO no process of Redis is known, and every sweep begins again', keys: [progress] };
}
