import { type Clock, pause } from '../clock.ts';
import { explained, mayRetry } from './errors.ts';

/**
 * Repeats a call after a transient error of Redis: three attempts in all, 200 and 400 ms apart. This is safe for scripts,
 * because each checks the facts that were judged, and repeats its reply if it gets the same token again. Other errors are
 * thrown at once, with advice in the message.
 */
export const retry = async <T>(clock: Clock, call: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt === 3 || !mayRetry(error)) throw explained(error);
      await pause(clock, 100 * 2 ** attempt);
    }
  }
};
