import type { TrackedJob } from '../machines/facts.ts';
import { RefusedError } from '../machines/refusal.ts';
import type { ActInput, ActReply } from '../machines/types/job.ts';
import type { Clock } from './clock.ts';
import type { Hooks } from './hooks/hooks.ts';
import type { HookRecords } from './hooks/records.ts';
import type { TrackedJobs } from './jobs/trackedJobs.ts';
import type { Deps } from './redis/deps.ts';
import { refusalOf } from './redis/errors.ts';
import { retry } from './redis/retry.ts';
import { type AuditNote, changeOnce } from './redis/scripts.ts';

/**
 * Acts on a job that was judged. Each act is one script that changes nothing if the job has changed since.
 * @throws RefusedError if Redis refuses writes, so that no other job can be acted on either.
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

  /** Sets the status to Error by upstream's rule, and enqueues the hook in the same step. */
  async fail({ job, judgement }) {
    const { id, revision = 0 } = job.facts;
    const origin = hooks.endpointFor(job.hookUrl);
    const hook = records.hookTail(origin);
    const change = changeOnce(keys, id);
    const reply = await write(clock, () =>
      scripts.run(
        'set_status',
        [keys.stats(id), keys.track, ...hook.keys],
        ['Error', revision, id, job.fingerprint, ...hook.args],
        job.fence,
        change,
        noteOf(job, judgement),
      ),
    );
    if (reply.outcome !== 'done') return 'overtaken';
    if (origin !== undefined) hooks.announce(origin);
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
        noteOf(job, judgement),
      ),
    );
    return reply.outcome;
  },

  async untrack({ job, judgement }) {
    const { id } = job.facts;
    const note = noteOf(job, judgement);
    const reply = await write(clock, () =>
      scripts.run('untrack', [keys.stats(id), keys.track], [id, job.fingerprint], job.fence, undefined, note),
    );
    return reply.outcome;
  },
});

const noteOf = ({ pass = 'sweep' }: TrackedJob, { reason }: ActInput['judgement']): AuditNote => ({
  pass,
  why: reason,
});

const write = async <T>(clock: Clock, step: () => Promise<T>): Promise<T> => {
  try {
    return await retry(clock, step);
  } catch (error) {
    const refusal = refusalOf(error);
    throw refusal === undefined ? error : new RefusedError(refusal.code, refusal.message, { cause: error });
  }
};
