import { type Clock, monotonicOf, pause } from '../io/clock.ts';
import type { Hooks } from '../io/hooks/hooks.ts';
import type { HookRecords } from '../io/hooks/records.ts';
import type { Deps } from '../io/redis/deps.ts';
import { kindOfRedisError } from '../io/redis/errors.ts';
import { retry } from '../io/redis/retry.ts';
import { changeOnce, type ReplyOf } from '../io/redis/scripts.ts';
import { isFinal, isStatus, type Status } from '../machines/facts.ts';

/** Stats of a job to save. Members that are left out are empty. Times in unix seconds. */
export interface NewJob {
  readonly id: string;
  readonly name: string;
  readonly kind?: 'Generic' | 'Scheduled' | 'Periodic';
  readonly status?: Status;
  readonly unique?: boolean;
  readonly refLink?: string;
  readonly enqueueTime?: number;
  readonly runAt?: number;
  readonly cronSpec?: string;
  readonly webHookUrl?: string;
  readonly numericPolicyId?: number;
  readonly dieAt?: number;
  readonly upstreamJobId?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** `refused`: there is a newer attempt or a later status, which is given. `missing`: the job has no stats any more. */
export type StatusReply =
  | { readonly outcome: 'ok' }
  | { readonly outcome: 'refused'; readonly status: string }
  | { readonly outcome: 'missing' };

/**
 * One attempt of a job, as a worker host uses it. A change is refused if a newer attempt has begun. Each change sends a hook
 * to the job's endpoint and records the answer.
 */
export interface TrackedAttempt {
  readonly id: string;
  /** Unix second of this attempt. `reset` begins a new one. */
  readonly revision: number;
  /** The stats in Redis when they were loaded or saved. */
  readonly stats: Readonly<Record<string, string>>;
  /**
   * Starts to run. Refused with `Running` if another host has started this attempt since it was loaded or saved: that host
   * got the entry while this one was disconnected, and the job must not run twice.
   */
  run(): Promise<StatusReply>;
  /** Reports progress. `text` is sent with the hook and not stored. */
  checkIn(text: string): Promise<StatusReply>;
  succeed(): Promise<StatusReply>;
  stop(): Promise<StatusReply>;
  fail(): Promise<StatusReply>;
  /** Writes a status. While Redis can't be reached it retries for 5 min. */
  update(status: Status): Promise<StatusReply>;
  /** Begins a new attempt: status Pending, no ACK, tracked again. */
  reset(): Promise<StatusReply>;
  /** Sends the hook again. Resolves when the first attempt has ended. */
  fire(): Promise<void>;
}

export interface Lifecycle {
  /** Writes the stats of a new job and tracks it. */
  save(job: NewJob): Promise<TrackedAttempt>;
  /** Loads a job; undefined if it has no stats. */
  load(id: string): Promise<TrackedAttempt | undefined>;
}

/** How long writing a status is retried, and the longest pause between two attempts, in ms. */
const updateFor = 300_000;
const longestPause = 10_000;

export const createLifecycle = ({
  connection,
  keys,
  scripts,
  delivery,
  clock,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  delivery: {
    readonly hooks: Hooks;
    readonly records: HookRecords;
    /** Resolves when an attempt for a job has ended on this host, or none is left. */
    attempted(id: string): Promise<void>;
  };
}): Lifecycle => {
  const { hooks, records } = delivery;
  const executionsOf = (policy: string | undefined) => (policy ? [keys.executions(policy)] : []);

  const attempt = (id: string, stats: Readonly<Record<string, string>>): TrackedAttempt => {
    let revision = Number(stats.revision ?? 0) || 0;
    /** Whether no host is known to run the attempt. After the first request to run, this host may be the one. */
    let isUnbegun = stats.status !== 'Running';
    const endpoint = hooks.endpointFor(stats.web_hook_url);
    const announce = () => {
      if (endpoint !== undefined) hooks.announce(endpoint);
    };

    const update = async (status: Status): Promise<StatusReply> => {
      const change = changeOnce(keys, id);
      const asJudged = status === 'Running' && isUnbegun ? 'unbegun' : '';
      if (status === 'Running') isUnbegun = false;
      // A final status also marks the execution of its policy as done. The hook is recorded in the same script.
      const reply = await persist(clock, () => {
        const hook = records.hookTail(endpoint);
        return scripts.run(
          'set_status',
          [keys.stats(id), keys.track, ...hook.keys, ...executionsOf(stats.upstream_job_id)],
          [status, revision, id, asJudged, ...hook.args],
          undefined,
          change,
        );
      });
      if (reply.outcome === 'done') announce();
      return statusReplyOf(reply);
    };

    return {
      id,
      stats,
      get revision() {
        return revision;
      },
      run: () => update('Running'),
      succeed: () => update('Success'),
      stop: () => update('Stopped'),
      fail: () => update('Error'),
      update,
      async checkIn(text) {
        const change = changeOnce(keys, id);
        const reply = await persist(clock, () => {
          const hook = records.hookTail(endpoint);
          return scripts.run(
            'check_in',
            [keys.stats(id), ...hook.keys],
            [revision, id, ...hook.args],
            undefined,
            change,
          );
        });
        if (reply.outcome !== 'done') return reply;
        const { status, revision: now, checkInAt } = reply;
        if (endpoint !== undefined) hooks.holdText(id, { text, state: { status, revision: now, checkInAt } });
        announce();
        return { outcome: 'ok' };
      },
      async reset() {
        const change = changeOnce(keys, id);
        const known = revision;
        const reply = await persist(clock, () =>
          scripts.run('reset_job', [keys.stats(id), keys.track], [id, 'Pending', known], undefined, change),
        );
        if (reply.outcome !== 'done') return reply;
        revision = reply.revision;
        isUnbegun = true;
        return { outcome: 'ok' };
      },
      async fire() {
        if (endpoint === undefined) return;
        // No record has this state, so the hook is due at once.
        const [enqueued] = await retry(clock, () => records.enqueue([{ id, state: `asked:${revision}`, endpoint }]));
        if (enqueued instanceof Error) throw enqueued;
        const attempted = delivery.attempted(id);
        announce();
        await attempted;
      },
    };
  };

  return {
    async save(job) {
      const stats = statsOf(job);
      const change = changeOnce(keys, job.id);
      const { revision } = await retry(clock, () =>
        scripts.run(
          'save_job',
          [keys.stats(job.id), keys.track, ...executionsOf(job.upstreamJobId)],
          [job.id, job.runAt ?? 0, ...Object.entries(stats).flat()],
          undefined,
          change,
        ),
      );
      return attempt(job.id, { ...stats, revision: String(revision), update_time: String(revision) });
    },

    async load(id) {
      const stats = await retry(clock, () => connection.redis.hgetall(keys.stats(id)));
      return Object.keys(stats).length === 0 ? undefined : attempt(id, stats);
    },
  };
};

const statusReplyOf = (reply: ReplyOf<'set_status'>): StatusReply => {
  // Only a condition on the facts of the job is overtaken; a worker host gives none.
  if (reply.outcome === 'overtaken') throw new Error('a status without a condition was overtaken');
  return reply.outcome === 'done' ? { outcome: 'ok' } : reply;
};

/**
 * Retries until Redis answers, so a short outage does not leave a finished job in status Running. A command that Redis will
 * never accept fails at once.
 */
const persist = async <T>(clock: Clock, write: () => Promise<T>): Promise<T> => {
  const began = monotonicOf(clock);
  for (let wait = 500; ; wait = Math.min(2 * wait, longestPause)) {
    try {
      return await retry(clock, write);
    } catch (error) {
      const kind = kindOfRedisError(error);
      if (kind === 'permanent' || kind === 'wrong-type' || monotonicOf(clock) - began + wait > updateFor) throw error;
      await pause(clock, wait);
    }
  }
};

/** The fields that Harbor's jobservice always writes, and the others that are set. */
const statsOf = (job: NewJob): Record<string, string> => {
  const { id, name, kind = 'Generic', status = 'Pending', unique = false } = job;
  if (id === '' || name === '') throw new TypeError('a job needs an id and a name');
  if (!isStatus(status) || isFinal(status)) throw new TypeError('a new job is Pending, Scheduled or Running');
  for (const field of ['enqueueTime', 'runAt', 'numericPolicyId', 'dieAt'] as const) {
    // The Go side could not parse it, and no sweep could judge the job.
    if (job[field] !== undefined && !Number.isSafeInteger(job[field])) {
      throw new TypeError(`${field} of a job must be a whole number from -(2^53 - 1) to 2^53 - 1`);
    }
  }
  return {
    id,
    name,
    kind,
    status,
    unique: unique ? '1' : '0',
    ref_link: job.refLink ?? `/api/v1/jobs/${id}`,
    enqueue_time: String(job.enqueueTime ?? 0),
    run_at: String(job.runAt ?? 0),
    cron_spec: job.cronSpec ?? '',
    web_hook_url: job.webHookUrl ?? '',
    numeric_policy_id: String(job.numericPolicyId ?? 0),
    ...(job.dieAt ? { die_at: String(job.dieAt) } : {}),
    ...(job.upstreamJobId ? { upstream_job_id: job.upstreamJobId } : {}),
    ...(job.parameters ? { parameters: JSON.stringify(job.parameters) } : {}),
  };
};
