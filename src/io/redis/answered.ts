import { monotonicOf, pause } from '../clock.ts';
import type { Deps } from './deps.ts';
import { kindOfRedisError, mayRetry } from './errors.ts';
import {
  type AuditNote,
  type ChangeOnce,
  callOnce,
  type Fence,
  type ReplyOf,
  type ScriptArgument,
  type ScriptKey,
  type ScriptName,
} from './scripts.ts';

/** Runs a script once. If the reply is lost, asks for it. */
export type RunAnswered = <Name extends ScriptName>(
  name: Name,
  keys: readonly ScriptKey[],
  args: readonly ScriptArgument[],
  fence: Fence | undefined,
  note?: AuditNote,
) => Promise<ReplyOf<Name>>;

/** How long to ask for a lost reply, and the longest pause between two attempts, in ms. */
const askFor = 30_000;
const longestPause = 5_000;

/**
 * Runs steps that must not run again after a disruption: a live pool may have missed its heartbeats during it. If the reply
 * of a step is lost, this asks Redis for it and runs nothing. A step that was done has a reply. A step that was not done is
 * canceled, and fails with the first error.
 *
 * @param onLostReply called with the error if the step was done although its reply was lost. The steps that follow have to
 *   take the disruption into account.
 */
export const createRunAnswered = ({
  keys,
  scripts,
  clock,
  onLostReply,
}: Pick<Deps, 'keys' | 'scripts' | 'clock'> & {
  onLostReply: (error: unknown) => void;
}): RunAnswered => {
  const ask = async <Name extends ScriptName>(name: Name, change: ChangeOnce): Promise<ReplyOf<Name> | undefined> => {
    const began = monotonicOf(clock);
    for (let wait = 500; ; wait = Math.min(2 * wait, longestPause)) {
      try {
        return await scripts.replyOrCancel(name, change);
      } catch (error) {
        if (!mayRetry(error) || monotonicOf(clock) - began + wait > askFor) return undefined;
        await pause(clock, wait);
      }
    }
  };
  return async (name, scriptKeys, args, fence, note) => {
    const change = callOnce(keys);
    try {
      return await scripts.run(name, scriptKeys, args, fence, change, note);
    } catch (error) {
      if (kindOfRedisError(error) !== 'transient') throw error;
      const reply = await ask(name, change);
      if (reply === undefined) throw error;
      onLostReply(error);
      return reply;
    }
  };
};
