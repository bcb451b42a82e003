import { ReaperError } from '../errors.ts';
import { within } from '../io/clock.ts';
import type { Deps } from '../io/redis/deps.ts';
import { classify, codeOfOutage, isNoPermission, UnusableRedisError } from '../io/redis/errors.ts';

/** How long an answer may take, in ms. */
const timeout = 3_000;

/**
 * Makes sure that Redis answers.
 * @throws UnusableRedisError if it answers and cannot be used.
 * @throws ReaperError with the address that was tried, and the cause. Its code is that of the error of Redis, or
 * `redis-unreachable` where there is none.
 */
export const createPing =
  ({ connection, clock }: Pick<Deps, 'connection' | 'clock'>) =>
  async (): Promise<void> => {
    let failure: unknown;
    const answered = await within(
      clock,
      timeout,
      connection.redis.ping().catch((error) => {
        // A refusal is an answer too: a Redis that cannot save to disk refuses PING as if it were a write.
        if (isNoPermission(error) || classify(error).kind === 'refused') return;
        failure = error;
        return Promise.reject(error);
      }),
    ).catch(() => false);
    if (answered) return;
    const cause = connection.outage?.()?.error ?? failure;
    if (cause instanceof UnusableRedisError) throw cause;
    const why = cause === undefined ? 'no answer within 3 s' : classify(cause).message;
    throw new ReaperError(
      codeOfOutage(cause),
      `Redis at ${connection.description} cannot be reached (${why}): is it up, are host, port and password right?`,
      cause === undefined || 'command' in Object(cause) ? {} : { cause },
    );
  };
