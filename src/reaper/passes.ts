import { type Clock, within } from '../io/clock.ts';
import { readArguments } from '../options.ts';
import type { Reaper } from './reaper.ts';
import type { RescueSummary, SweepSummary } from './summaries.ts';

/** Thrown when a pass did not complete. `summary` says how far it got. */
export class PassError<Summary extends { readonly error?: string }> extends Error {
  override name = 'PassError';
  readonly summary: Summary;

  constructor(what: string, summary: Summary) {
    super(`the ${what} did not get to its end: ${summary.error}; what it left is found by the next one`);
    this.summary = summary;
  }
}

/** Requests for passes by callers, as the supervisor gets them. Scheduled passes have the number 0. */
export type PassRequest =
  | { readonly type: 'sweep.now'; readonly request: { readonly number: number; readonly plan: boolean } }
  | {
      readonly type: 'rescue.now';
      readonly request: {
        readonly number: number;
        readonly plan: boolean;
        readonly grace: number | undefined;
        readonly thorough: true;
      };
    };

/** Passes that callers ask for, and wait for. */
export interface Passes extends Pick<Reaper, 'sweep' | 'rescue'> {
  /** Answers the caller of a pass, if it has one. */
  sweepEnded(number: number, summary: SweepSummary): void;
  rescueEnded(number: number, summary: RescueSummary): void;
}

export const createPasses = ({
  clock,
  prepare,
  send,
  hooksAttempted,
  hookTimeout,
}: {
  clock: Clock;
  /** Runs before each request. */
  prepare: () => Promise<void>;
  send: (request: PassRequest) => void;
  /** Resolves when no hook that is due is left to attempt. */
  hooksAttempted: () => Promise<void>;
  /** How long a sweep waits for that at most, in ms. */
  hookTimeout: number;
}): Passes => {
  let last = 0;
  const sweeps = new Map<number, (summary: SweepSummary) => void>();
  const rescues = new Map<number, (summary: RescueSummary) => void>();
  const answer = <T>(waiting: Map<number, (summary: T) => void>, number: number, summary: T) => {
    waiting.get(number)?.(summary);
    waiting.delete(number);
  };
  const ask = <T>(waiting: Map<number, (summary: T) => void>, requestOf: (number: number) => PassRequest) =>
    new Promise<T>((resolve) => {
      const number = ++last;
      waiting.set(number, resolve);
      send(requestOf(number));
    });

  return {
    async sweep(options) {
      const { plan = false } = readArguments('sweep', options);
      await prepare();
      const summary = await ask(sweeps, (number) => ({ type: 'sweep.now', request: { number, plan } }));
      // Bounded: hooks that others keep enqueuing must not hold up the caller.
      if (!summary.plan && summary.suspended === undefined) await within(clock, hookTimeout, hooksAttempted());
      if (summary.error !== undefined) throw new PassError('sweep', summary);
      return { ...summary }; // A copy: its hook counts are final.
    },

    async rescue(options) {
      const { plan = false, grace } = readArguments('rescue', options);
      await prepare();
      const summary = await ask(rescues, (number) => ({
        type: 'rescue.now',
        request: { number, plan, grace, thorough: true },
      }));
      if (summary.error !== undefined) throw new PassError('rescue', summary);
      return summary;
    },

    sweepEnded: (number, summary) => answer(sweeps, number, summary),
    rescueEnded: (number, summary) => answer(rescues, number, summary),
  };
};
