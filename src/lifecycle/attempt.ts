import { type Clock, monotonicOf, pause } from '../io/clock.ts';
import type { Hooks } from '../io/hooks/hooks.ts';
import type { HookRecords } from '../io/hooks/records.ts';
import type { Deps } from '../io/redis/deps.ts';
import { classify, kindOfRedisError, RedisError } from '../io/redis/errors.ts';
import { retry } from '../io/redis/retry.ts';
import { changeOnce } from '../io/redis/scripts.ts';
import type { Status } from '../machines/facts.ts';

/** `refused`: there is a newer attempt or a later status, which is given. `missing`: the job has no stats any more. */
export type StatusReply =
  | { readonly outcome: 'done' }
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
  /** Ends the attempt with the status Success. */
  succeed(): Promise<StatusReply>;
  /** Ends the attempt with the status Stopped. */
  stop(): Promise<StatusReply>;
  /** Ends the attempt with the status Error. */
  fail(): Promise<StatusReply>;
  /** Writes a status. While Redis cannot be reached it retries for 5 min. */
  update(status: Status): Promise<StatusReply>;
  /** Begins a new attempt: status Pending, no ACK, tracked again. */
  reset(): Promise<StatusReply>;
  /** Sends the hook again. Resolves when the first attempt has ended. */
  fire(): Promise<void>;
}

/** How long writing a status is retried, and the longest pause between two attempts, in ms. */
const updateFor = 300_000;
const longestPause = 10_000;

/** The sending of hooks, as far as an attempt uses it. */
export interface AttemptDelivery {
  readonly hooks: Hooks;
  readonly records: HookRecords;
  /** Resolves when an attempt for a job has ended on this host, or none is left. */
  attempted(id: string): Promise<void>;
}

interface AttemptDeps extends Pick<Deps, 'keys' | 'scripts' | 'clock'> {
  readonly delivery: AttemptDelivery;
}

/** What the scripts need of an attempt. `reset` changes the revision, also for writes that are being retried. */
interface Job {
  readonly id: string;
  readonly endpoint: string | undefined;
  revision: number;
}

export const createAttempt = (
  deps: AttemptDeps,
  id: string,
  stats: Readonly<Record<string, string>>,
): TrackedAttempt => {
  const { hooks } = deps.delivery;
  /** Whether no host is known to run the attempt. After the first request to run, this host may be the one. */
  let isUnbegun = stats.status !== 'Running';
  const endpoint = hooks.endpointFor(stats.web_hook_url);
  const job: Job = { id, endpoint, revision: Number(stats.revision ?? 0) || 0 };
  const announce = () => {
    if (endpoint !== undefined) hooks.announce(endpoint, id);
  };

  const update = async (status: Status): Promise<StatusReply> => {
    const begins = status === 'Running' && isUnbegun;
    if (begins) isUnbegun = false;
    const reply = await (begins ? begin(deps, job) : setStatus(deps, job, status, stats.upstream_job_id));
    if (reply.outcome === 'done') announce();
    return reply;
  };

  return {
    id,
    stats,
    get revision() {
      return job.revision;
    },
    run: () => update('Running'),
    succeed: () => update('Success'),
    stop: () => update('Stopped'),
    fail: () => update('Error'),
    update,
    async checkIn(text) {
      const reply = await checkIn(deps, job);
      if (reply.outcome !== 'done') return reply;
      const { status, revision: now, checkInAt } = reply;
      if (endpoint !== undefined) hooks.holdText(id, { text, state: { status, revision: now, checkInAt } });
      announce();
      return { outcome: 'done' };
    },
    async reset() {
      const reply = await reset(deps, job);
      if (reply.outcome !== 'done') return reply;
      job.revision = reply.revision;
      isUnbegun = true;
      return { outcome: 'done' };
    },
    async fire() {
      if (endpoint === undefined) return;
      await enqueueNow(deps, job, endpoint);
      const attempted = deps.delivery.attempted(id);
      announce();
      await attempted;
    },
  };
};

/** Refused if another host has begun the attempt. The hook is recorded in the same script. */
const begin = ({ keys, scripts, clock, delivery: { records } }: AttemptDeps, job: Job) => {
  const { id } = job;
  const change = changeOnce(keys, id);
  return persist(clock, () => {
    const hook = records.hookTail(job.endpoint);
    const scriptKeys = [keys.stats(id), keys.track, ...hook.keys];
    return scripts.run('begin_attempt', scriptKeys, [job.revision, id, ...hook.args], undefined, change);
  });
};

/** A final status also marks the execution of its policy as done. The hook is recorded in the same script. */
const setStatus = (
  { keys, scripts, clock, delivery: { records } }: AttemptDeps,
  job: Job,
  status: Status,
  policy: string | undefined,
) => {
  const { id } = job;
  const change = changeOnce(keys, id);
  return persist(clock, () => {
    const hook = records.hookTail(job.endpoint);
    return scripts.run(
      'set_status',
      [keys.stats(id), keys.track, ...hook.keys, ...(policy ? [keys.executions(policy)] : [])],
      [status, job.revision, id, ...hook.args],
      undefined,
      change,
    );
  });
};

const checkIn = ({ keys, scripts, clock, delivery: { records } }: AttemptDeps, job: Job) => {
  const { id } = job;
  const change = changeOnce(keys, id);
  return persist(clock, () => {
    const hook = records.hookTail(job.endpoint);
    return scripts.run('check_in', [keys.stats(id), ...hook.keys], [job.revision, id, ...hook.args], undefined, change);
  });
};

const reset = ({ keys, scripts, clock }: AttemptDeps, { id, revision }: Job) => {
  const change = changeOnce(keys, id);
  return persist(clock, () =>
    scripts.run('reset_job', [keys.stats(id), keys.track], [id, 'Pending', revision], undefined, change),
  );
};

/** No record has this state, so the hook is due at once. */
const enqueueNow = async ({ delivery: { records } }: AttemptDeps, job: Job, endpoint: string) => {
  const [enqueued] = await records.enqueue([{ id: job.id, state: `asked:${job.revision}`, endpoint }]);
  if (enqueued?.outcome !== 'refused') return;
  const cause = new Error(enqueued.error);
  throw new RedisError(classify(cause), { cause });
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
