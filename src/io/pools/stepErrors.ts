import { FencedError } from '../../machines/lease.ts';
import { messageOf } from '../../machines/messageOf.ts';
import { kindOfRedisError } from '../redis/errors.ts';

/**
 * Keeps the first error of several steps. After an error about one key or right, the other steps still run. After an error that
 * all steps would meet, no further step begins. The next pass does what is left.
 */
export interface StepErrors {
  readonly first: string | undefined;
  /** Why the step that was tried last failed, or did not begin. */
  readonly latest: string | undefined;
  /** Runs a step. Returns undefined if it fails, or must not begin any more. */
  attempt<T>(step: () => Promise<T>): Promise<T | undefined>;
}

export const createStepErrors = (): StepErrors => {
  let first: string | undefined;
  let latest: string | undefined;
  let isOver = false;
  return {
    get first() {
      return first;
    },
    get latest() {
      return latest;
    },
    async attempt(step) {
      if (isOver) return undefined;
      try {
        return await step();
      } catch (error) {
        latest = messageOf(error);
        first ??= latest;
        isOver ||= error instanceof FencedError || ['transient', 'refused'].includes(kindOfRedisError(error));
        return undefined;
      }
    },
  };
};
