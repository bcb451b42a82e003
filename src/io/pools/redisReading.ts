import type { Connection } from '../redis/connection.ts';
import { type Condition, readCondition } from '../redis/disruption.ts';
import { redisTime } from '../redis/time.ts';

/** The state of Redis and of the connection to it, for comparison with an earlier one. */
export interface Reading extends Condition {
  readonly epoch: number;
  /** Redis TIME minus the monotonic time of this process, in ms. */
  readonly clockOffset: number;
  readonly roundTrip: number;
}

/** In ms. With a longer delay no pool is judged; clocks that move apart by more have jumped. */
export const maxDelay = 2_000;

/**
 * Reads the state of Redis, in one round trip.
 * @param probe a write that shows whether Redis refuses writes; `refusal` is its error.
 */
export const readRedis = async (
  connection: Connection,
  monotonic: () => number,
  probe: (() => Promise<unknown>) | undefined,
): Promise<{ readonly refusal: unknown; readonly reading: Reading }> => {
  const { redis } = connection;
  const epoch = connection.epoch();
  const began = monotonic();
  const [write, time, condition] = await Promise.allSettled([probe?.(), redisTime(redis), readCondition(redis)]);
  const roundTrip = monotonic() - began;
  if (time.status === 'rejected') throw time.reason;
  // It reconnected meanwhile, and the time for that says nothing about how fast Redis answers.
  if (connection.epoch() !== epoch) return readRedis(connection, monotonic, probe);
  if (condition.status === 'rejected') throw condition.reason;
  return {
    refusal: write.status === 'rejected' ? write.reason : undefined,
    reading: {
      epoch,
      // Empty if the user may not run INFO. Then only the new connection shows a failover.
      ...condition.value,
      clockOffset: time.value - began - roundTrip / 2,
      roundTrip,
    },
  };
};

/** Describes the disruption between two readings; undefined if there was none. */
export const changeBetween = (before: Reading, now: Reading): string | undefined => {
  if (now.runId !== before.runId) return 'Redis was restarted, or another one answers';
  if (now.replication !== before.replication) return 'Redis has changed its role, or its master: a failover';
  if (now.epoch !== before.epoch) return 'the connection to Redis was lost';
  for (const [name, count] of now.refused) {
    if (count !== (before.refused.get(name) ?? '0')) return `Redis has refused commands (${name})`;
  }
  if (Math.abs(now.clockOffset - before.clockOffset) > maxDelay + now.roundTrip + before.roundTrip) {
    return 'the clock of Redis has jumped, or this process was suspended';
  }
  return undefined;
};
