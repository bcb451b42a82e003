import { explained, isHopeless } from '../io/redis/errors.ts';
import { PermanentError } from '../machines/permanent.ts';

/** Has a step of a pass end it at once where trying again can't help, and say what can be done. */
export const orPermanent = async <T>(step: () => Promise<T>): Promise<T> => {
  try {
    return await step();
  } catch (error) {
    throw isHopeless(error) ? new PermanentError(explained(error), { cause: error }) : error;
  }
};
