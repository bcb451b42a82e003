import { refusalOf } from '../io/redis/errors.ts';
import { PermanentError } from '../machines/permanent.ts';
import { RefusedError } from '../machines/refusal.ts';

/** @throws RefusedError where Redis refuses writes, which ends the sweep. The message says what to do. */
export const orRefused = async <T>(step: () => Promise<T>): Promise<T> => {
  try {
    return await step();
  } catch (error) {
    const refusal = error instanceof PermanentError ? undefined : refusalOf(error);
    throw refusal === undefined ? error : new RefusedError(refusal.code, refusal.message, { cause: error });
  }
};
