import { ReaperError } from '../errors.ts';
import { classify, isHopeless } from '../io/redis/errors.ts';
import { PermanentError } from '../machines/permanent.ts';

/** Makes an error permanent, which ends a pass at once, where trying again cannot help. The message says what to do. */
export const orPermanent = async <T>(step: () => Promise<T>): Promise<T> => {
  try {
    return await step();
  } catch (error) {
    if (error instanceof ReaperError && error.code === 'not-found') throw new PermanentError(error.code, error.message);
    if (!isHopeless(error)) throw error;
    const { code, message } = classify(error);
    throw new PermanentError(code, message, { cause: error });
  }
};
