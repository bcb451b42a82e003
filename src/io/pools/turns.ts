import PQueue from 'p-queue';
import type { RunAnswered } from '../redis/answered.ts';
import type { Connection } from '../redis/connection.ts';
import { RedisError } from '../redis/errors.ts';
import { isDisruption } from './preflight.ts';
import { maxDelay } from './redisReading.ts';

/** Scripts on their way at a time. With two, Redis has work while this process reads a reply. */
const atOnce = 2;

/**
 * Runs few scripts at a time. Redis runs all scripts that have come on a connection before it serves another client, which would wait
 * for those of all pools that are rescued at the same time.
 *
 * A script was asked for when nothing had disrupted the evidence against its pool. So it is not sent any more if there was a disruption
 * while it waited: its step fails, and the pool is looked at again.
 *
 * @param monotonic a clock in ms that never jumps.
 */
export const inTurns = (
  run: RunAnswered,
  connection: Pick<Connection, 'epoch' | 'outage'>,
  monotonic: () => number = () => performance.now(),
): RunAnswered => {
  const turns = new PQueue({ concurrency: atOnce });
  /** The errors of scripts that were disruptions: how many, and the last one. */
  const disruptions = { count: 0, last: undefined as unknown };

  return (...call) => {
    const asked = { at: monotonic(), epoch: connection.epoch(), disruptions: disruptions.count };
    return turns.add(async () => {
      if (disruptions.count > asked.disruptions) throw disruptions.last;
      if (connection.epoch() !== asked.epoch || connection.outage?.() !== undefined) throw lost();
      if (monotonic() - asked.at > maxDelay) throw new Error('Redis took more than 2 s for the scripts of other pools');
      try {
        return await run(...call);
      } catch (error) {
        if (isDisruption(error)) {
          disruptions.count += 1;
          disruptions.last = error;
        }
        throw error;
      }
    });
  };
};

const lost = () =>
  new RedisError({
    code: 'redis-unreachable',
    kind: 'transient',
    advice: undefined,
    message: 'the connection to Redis was lost',
  });
