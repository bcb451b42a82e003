import type { TrackedJob } from '../machines/facts.ts';
import type { ActInput, ActReply } from '../machines/job.ts';
import { RefusedError } from '../machines/refusal.ts';
import type { Clock } from './clock.ts';
import type { Hooks } from './hooks/hooks.ts';
import type { HookRecords } from './hooks/records.ts';
import { retry } from './hooks/retry.ts';
import type { TrackedJobs } from './jobs/trackedJobs.ts';
import { refusalOf } from './pools/preflight.ts';
import type { Deps } from './redis/deps.ts';
import { changeOnce } from './redis/scripts.ts';

/**
 * What can be done with a job that was judged. Each is one script that changes nothing if the job has moved since.
 * @throws RefusedError where Redis refuses writes: no other job can be acted on either.
 */
export interface JobActs {
  load(id: string): Promise<TrackedJob>;
  fail(input: ActInput): Promise<ActReply>;
  refire(input: ActInput): Promise<ActReply>;
  reset(input: ActInput): Promise<ActReply>;
  untrack(input: ActInput): Promise<ActReply>;
}

export const createJobActs = ({
  keys,
  scripts,
  tracked,
  hooks,
  records,
  clock,
}: Pick<Deps, 'keys' | 'scripts' | 'clock'> & {
  tracked: TrackedJobs;
  hooks: Hooks;
  records: HookRecords;
}): JobActs => ({
  load: (id) => retry(clock, () => tracked.load(id)),

  /** The upstream status change to Error, and in the same step the note that its receiver is to be told. */
  async fail({ job }) {
    const { id, revision = 0 } = job.facts;
    const origin = hooks.originFor(job.hookUrl);
    const hook = records.partOf(origin);
    const change = changeOnce(keys, id);
    const reply = await write(clock, () =>
      scripts.run(
        'set_status',
        [keys.stats(id), keys.track, ...hook.keys],
        ['Error', revision, id, job.fingerprint, ...hook.args],
        job.fence,
        change,
      ),
    );
    if (reply !== 'ok') return 'overtaken';
    if (origin !== undefined) hooks.due(origin);
    return 'done';
  },

  async refire({ job }) {
    const [reply = 'deferred'] = await write(clock, () => hooks.enqueue([job]));
    if (reply instanceof Error) throw reply;
    return reply;
  },

  async reset({ job, judgement }) {
    const { id } = job.facts;
    if (judgement.target === undefined) throw new Error('a reset without the state to reset to');
    const { status, revision = '' } = judgement.target;
    const change = changeOnce(keys, id);
    const reply = await write(clock, () =>
      scripts.run(
        'restore_ack',
        [keys.stats(id), keys.track],
        [id, status, revision, job.fingerprint],
        job.fence,
        change,
      ),
    );
    return reply === 'ok' ? 'done' : 'overtaken';
  },

  async untrack({ job }) {
    const { id } = job.facts;
    const reply = await write(clock, () =>
      scripts.run('untrack', [keys.stats(id), keys.track], [id, job.fingerprint], job.fence),
    );
    return reply === 'ok' ? 'done' : 'overtaken';
  },
});

const write = async <T>(clock: Clock, step: () => Promise<T>): Promise<T> => {
  try {
    return await retry(clock, step);
  } catch (error) {
    const refusal = refusalOf(error);
    throw refusal === undefined ? error : new RefusedError(refusal);
  }
};
