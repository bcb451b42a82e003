import { type Clock, pause } from '../clock.ts';
import { explained, mayRetry } from '../redis/errors.ts';

/**
 * Does something again where its error is one that passes: three tries in all, 200 and 400 ms apart. Every act is one
 * script that checks what was judged, and gives its first answer where it is sent again with the same token. An error that does not pass is
 * thrown at once, with what to do about it.
 */
export const retry = async <T>(clock: Clock, attempt: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 3 || !mayRetry(error)) throw explained(error);
      await pause(clock, 100 * 2 ** tries);
    }
  }
};
