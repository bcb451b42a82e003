import type { TrackedJob } from '../machines/facts.ts';
import type { ActInput, ActReply } from '../machines/types/job.ts';
import type { Hooks } from './hooks/hooks.ts';
import type { HookRecords } from './hooks/records.ts';
import type { TrackedJobs } from './jobs/trackedJobs.ts';
import type { Deps } from './redis/deps.ts';
import { retry } from './redis/retry.ts';
import { type AuditNote, changeOnce } from './redis/scripts.ts';

/**
 * Acts on a job that was judged. Each act is one script. Those that change the job change nothing if it has changed since; a
 * refire enqueues a hook, which is built from the stats when it is sent.
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
  async load(id) {
    const job = await retry(clock, () => tracked.load(id));
    return { ...job, endpoint: hooks.endpointFor(job.hookUrl) };
  },

  /** Sets the status to Error by upstream's rule, and enqueues the hook in the same step. */
  async fail({ job, judgement }) {
    const { id, revision = 0 } = job.facts;
    const origin = hooks.endpointFor(job.hookUrl);
    const hook = records.hookTail(origin);
    const change = changeOnce(keys, id);
    const reply = await retry(clock, () =>
      scripts.run(
        'fail_job',
        [keys.stats(id), keys.track, ...hook.keys],
        [revision, id, job.fingerprint(), ...hook.args],
        job.fence,
        change,
        noteOf(job, judgement),
      ),
    );
    if (reply.outcome !== 'done') return { outcome: 'overtaken' };
    if (origin !== undefined) hooks.announce(origin, id);
    return reply;
  },

  async refire({ job }) {
    const [reply = { outcome: 'deferred' }] = await hooks.enqueue([job]);
    if (reply.outcome === 'refused') throw new Error(reply.error);
    return reply;
  },

  async reset({ job, judgement }) {
    const { id } = job.facts;
    if (judgement.target === undefined) throw new Error('a reset without the state to reset to');
    const { status, revision = '' } = judgement.target;
    const change = changeOnce(keys, id);
    return retry(clock, () =>
      scripts.run(
        'restore_ack',
        [keys.stats(id), keys.track],
        [id, status, revision, job.fingerprint()],
        job.fence,
        change,
        noteOf(job, judgement),
      ),
    );
  },

  async untrack({ job, judgement }) {
    const { id } = job.facts;
    const note = noteOf(job, judgement);
    return retry(clock, () =>
      scripts.run('untrack', [keys.stats(id), keys.track], [id, job.fingerprint()], job.fence, undefined, note),
    );
  },
});

const noteOf = ({ pass = 'sweep' }: TrackedJob, { reason }: ActInput['judgement']): AuditNote => ({
  pass,
  why: reason,
});
