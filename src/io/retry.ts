import { type Clock, pause } from './clock.ts';

/** Errors that pass by themselves: no connection, no answer, a Redis that starts, is busy or changes its role. */
const passing =
  /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|READONLY|UNBLOCKED)|connection|ECONN|EPIPE|timed out|max retries/i;

/**
 * Does something again where its error is one that passes: three tries in all, 200 and 400 ms apart. Every act is one
 * script that checks what was judged, so one whose answer got lost can be sent again.
 */
export const retry = async <T>(clock: Clock, attempt: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 3 || !passing.test((error as Error).message)) throw error;
      await pause(clock, 100 * 2 ** tries);
    }
  }
};
