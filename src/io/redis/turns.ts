import PQueue from 'p-queue';
import { kindOfRedisError } from './errors.ts';
import type { Scripts } from './scripts.ts';

/**
 * Scripts of which at most `atOnce` are on their way. Redis runs all scripts that have come on a connection before it serves another
 * client, which would wait for those of all pools that are rescued at the same time.
 *
 * When the connection fails a script, those that wait fail with the same error. They were asked for before the disruption, and must not
 * run after it (`answered.ts`).
 */
export const inTurns = (scripts: Scripts, atOnce: number): Scripts => {
  const turns = new PQueue({ concurrency: atOnce });
  let [failures, failure]: [number, unknown] = [0, undefined];
  return {
    ...scripts,
    run: (...call) => {
      const before = failures;
      return turns.add(async () => {
        if (failures > before) throw failure;
        try {
          return await scripts.run(...call);
        } catch (error) {
          if (kindOfRedisError(error) === 'transient') [failures, failure] = [failures + 1, error];
          throw error;
        }
      });
    },
  };
};
