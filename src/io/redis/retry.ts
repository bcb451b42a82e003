import { type Clock, monotonicOf, pause } from '../clock.ts';
import { classify, forCaller, mayRetry } from './errors.ts';

/** How long a Redis that answers, but takes no commands now, is asked again, and the longest pause between two attempts, in ms. */
const askFor = 15_000;
const longestPause = 1_600;

/**
 * Repeats a call after a transient error of Redis: three attempts in all, 200 and 400 ms apart. A Redis that is busy (it loads its
 * data, or runs a long script) refuses at once and for seconds, so it is asked for longer. This is safe for scripts, because each
 * checks the facts that were judged, and repeats its reply if it gets the same token again. Other errors are thrown at once.
 * What is thrown has its code, and advice in the message.
 */
export const retry = async <T>(clock: Clock, call: () => Promise<T>): Promise<T> => {
  const began = monotonicOf(clock);
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const wait = Math.min(longestPause, 100 * 2 ** attempt);
      const isBusy = classify(error).code === 'redis-busy' && monotonicOf(clock) - began + wait <= askFor;
      if ((attempt >= 3 && !isBusy) || !mayRetry(error)) throw forCaller(error);
      await pause(clock, wait);
    }
  }
};
