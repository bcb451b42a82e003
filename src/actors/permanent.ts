import { classify, isHopeless } from '../io/redis/errors.ts';
import { PermanentError } from '../machines/permanent.ts';

/** Makes an error permanent, which ends a pass at once, where trying again cannot help. The message says what to do. */
export const orPermanent = async <T>(step: () => Promise<T>): Promise<T> => {
  try {
    return await step();
  } catch (error) {
    throw isHopeless(error) ? new PermanentError(classify(error).message, { cause: error }) : error;
  }
};
