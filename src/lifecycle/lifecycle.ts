import { OptionsError } from '../errors.ts';
import type { Deps } from '../io/redis/deps.ts';
import { retry } from '../io/redis/retry.ts';
import { changeOnce } from '../io/redis/scripts.ts';
import { isFinal, isStatus, type Status } from '../machines/facts.ts';
import { type AttemptDelivery, createAttempt, type TrackedAttempt } from './attempt.ts';

/** Stats of a job to save. Members that are left out are empty. Times in unix seconds. */
export interface NewJob {
  readonly id: string;
  /** The job type, such as `IMAGE_SCAN`. */
  readonly name: string;
  /** `Generic` unless set. */
  readonly kind?: 'Generic' | 'Scheduled' | 'Periodic';
  /** `Pending` unless set; not a final one. */
  readonly status?: Status;
  /** Whether gocraft queues it only once at a time. */
  readonly unique?: boolean;
  /** `/api/v1/jobs/<id>` unless set. */
  readonly refLink?: string;
  /** When it was enqueued. */
  readonly enqueueTime?: number;
  /** When it is due, for a job that is not to run at once. */
  readonly runAt?: number;
  /** Schedule of a periodic job, in gocraft's form with seconds: `0 0 * * * *`. */
  readonly cronSpec?: string;
  /** Where its hooks go. Without it no state has to be acknowledged. */
  readonly webHookUrl?: string;
  /** Id of the policy of a periodic job. */
  readonly numericPolicyId?: number;
  /** When gocraft gives it up. */
  readonly dieAt?: number;
  /** Id of the periodic job of which this is an execution. */
  readonly upstreamJobId?: string;
  /** Sent with each hook. They are in no log, metric or event. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

export interface Lifecycle {
  /**
   * Writes the stats of a new job and tracks it.
   * @throws OptionsError for a member that cannot be used.
   */
  save(job: NewJob): Promise<TrackedAttempt>;
  /** Loads a job; undefined if it has no stats. */
  load(id: string): Promise<TrackedAttempt | undefined>;
}

export const createLifecycle = ({
  connection,
  keys,
  scripts,
  delivery,
  clock,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  delivery: AttemptDelivery;
}): Lifecycle => {
  const attempt = (id: string, stats: Readonly<Record<string, string>>) =>
    createAttempt({ keys, scripts, clock, delivery }, id, stats);

  return {
    async save(job) {
      const stats = statsOf(job);
      const change = changeOnce(keys, job.id);
      const { revision } = await retry(clock, () =>
        scripts.run(
          'save_job',
          [keys.stats(job.id), keys.track, ...(job.upstreamJobId ? [keys.executions(job.upstreamJobId)] : [])],
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

/** The fields that Harbor's jobservice always writes, and the others that are set. */
const statsOf = (job: NewJob): Record<string, string> => {
  const { id, name, kind = 'Generic', status = 'Pending', unique = false } = job;
  if (id === '' || name === '') throw unusable(id === '' ? 'id' : 'name', 'a job needs an id and a name');
  if (!isStatus(status) || isFinal(status)) throw unusable('status', 'a new job is Pending, Scheduled or Running');
  for (const field of ['enqueueTime', 'runAt', 'numericPolicyId', 'dieAt'] as const) {
    // The Go side could not parse it, and no sweep could judge the job.
    if (job[field] !== undefined && !Number.isSafeInteger(job[field])) {
      throw unusable(field, `must be a whole number from -(2^53 - 1) to 2^53 - 1`);
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

const unusable = (path: keyof NewJob, message: string) => new OptionsError('save', [{ path, message }]);
