import { monotonicOf, pause } from '../clock.ts';
import type { Deps } from './deps.ts';
import { kindOfRedisError, mayRetry } from './errors.ts';
import {
  type ChangeOnce,
  callOnce,
  type Fence,
  type ScriptArgument,
  type ScriptKey,
  type ScriptName,
} from './scripts.ts';

/** Runs a script once, and finds its answer where the reply was lost. */
export type RunAnswered = <Reply>(
  name: ScriptName,
  keys: readonly ScriptKey[],
  args: readonly ScriptArgument[],
  fence: Fence | undefined,
) => Promise<Reply>;

/** For how long the answer is asked for while Redis is away, and the longest pause between two attempts, in ms. */
const askFor = 30_000;
const longestPause = 5_000;

/**
 * For steps that must not run again after a disruption, which may have kept a live pool from its heartbeat. Where the reply
 * is lost, the answer is asked for, which runs nothing. A step that was done has its answer; one that was not is canceled,
 * and fails with the first error.
 *
 * @param onLostReply called with the error where the step was done all the same: what comes next must know of the disruption.
 */
export const createRunAnswered = ({
  keys,
  scripts,
  clock,
  onLostReply,
}: Pick<Deps, 'keys' | 'scripts' | 'clock'> & {
  onLostReply: (error: unknown) => void;
}): RunAnswered => {
  const ask = async (change: ChangeOnce): Promise<unknown> => {
    const began = monotonicOf(clock);
    for (let wait = 500; ; wait = Math.min(2 * wait, longestPause)) {
      try {
        return await scripts.run('cancel_change', [], [], undefined, change);
      } catch (error) {
        if (!mayRetry(error) || monotonicOf(clock) - began + wait > askFor) return canceled;
        await pause(clock, wait);
      }
    }
  };
  return async <Reply>(...[name, scriptKeys, args, fence]: Parameters<RunAnswered>) => {
    const change = callOnce(keys);
    try {
      return await scripts.run<Reply>(name, scriptKeys, args, fence, change);
    } catch (error) {
      if (kindOfRedisError(error) !== 'transient') throw error;
      const answer = await ask(change);
      if (answer === canceled) throw error;
      onLostReply(error);
      return answer as Reply;
    }
  };
};

const canceled = 'canceled';
