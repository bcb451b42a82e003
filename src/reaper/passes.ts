import { PassError } from '../errors.ts';
import { type Clock, within } from '../io/clock.ts';
import { plannedActsOf } from '../machines/plannedActs.ts';
import { emptyTally } from '../machines/tally.ts';
import { emptyRescue, type RescueRequest, type RescueScope } from '../machines/types/rescue.ts';
import type { SweepScope } from '../machines/types/scope.ts';
import { abortedPass, type SweepRequest, scheduledPass } from '../machines/types/sweep.ts';
import { type Arguments, readArguments } from '../options.ts';
import type { Delivery } from './delivery.ts';
import { noHooks } from './hookCounts.ts';
import type { Reaper } from './reaper.ts';
import { type EndedPass, type RescueSummary, rescueSummary, type SweepSummary, sweepSummary } from './summaries.ts';

/** Requests for passes by callers, as the supervisor gets them. Scheduled passes have the number 0. */
export type PassRequest =
  | { readonly type: 'sweep.now'; readonly request: SweepRequest }
  | { readonly type: 'rescue.now'; readonly request: RescueRequest }
  | { readonly type: 'sweep.cancel' | 'rescue.cancel'; readonly number: number };

/** Passes that callers ask for, and wait for. */
export interface Passes extends Pick<Reaper, 'sweep' | 'rescue'> {
  /** Answers the caller of a pass, if it has one. */
  sweepEnded(number: number, ended: EndedPass<SweepSummary>): void;
  rescueEnded(number: number, ended: EndedPass<RescueSummary>): void;
  /** The signal by which the caller of a pass, or a stop, ends it. */
  signalOf(number: number): AbortSignal;
  /** A step of a pass begins no further act from now on. */
  stop(): void;
}

type Pass = 'sweep' | 'rescue';

/** A caller who waits for the end of a pass. */
interface Caller<Summary> {
  readonly signal: AbortSignal | undefined;
  answer(ended: EndedPass<Summary>): void;
}
type Callers<Summary> = Map<number, Caller<Summary>>;

export const createPasses = ({
  clock,
  prepare,
  send,
  hooks: { sendAll, sweepSent: sent },
  hookTimeout,
}: {
  clock: Clock;
  /** Runs before each request. */
  prepare: () => Promise<void>;
  send: (request: PassRequest) => void;
  hooks: Pick<Delivery, 'sendAll' | 'sweepSent'>;
  /** How long a sweep waits for its hooks at most, in ms. */
  hookTimeout: number;
}): Passes => {
  const run = createRun(prepare, send);
  const sweeps: Callers<SweepSummary> = new Map();
  const rescues: Callers<RescueSummary> = new Map();
  const stopped = new AbortController();

  return {
    async sweep(options) {
      const { plan = false, signal, ...given } = readArguments('sweep', options);
      const scope = scopeOf(given);
      if (scope === undefined && !plan) sendAll();
      const { summary, cause } = await run('sweep', sweeps, signal, {
        requestOf: (number) => ({ type: 'sweep.now', request: { number, plan, scope } }),
        notBegun: () =>
          sweepSummary({ number: scheduledPass, plan, scope, tally: emptyTally, ...abortedPass }, 0, () => noHooks),
      });
      // Bounded: hooks that others keep enqueuing must not hold up the caller.
      if (!summary.plan && summary.suspended === undefined) {
        await untilAborted(signal, (aborted) =>
          within(clock, hookTimeout, Promise.race([sent(scope !== undefined), aborted])),
        );
      }
      return completed('sweep', { summary: { ...summary }, cause }, signal); // A copy: its hook counts are final.
    },

    async rescue(options) {
      const { plan = false, grace, signal, ...given } = readArguments('rescue', options);
      const scope = rescueScopeOf(given);
      if (scope === undefined && !plan) sendAll();
      const ended = await run('rescue', rescues, signal, {
        requestOf: (number) => ({ type: 'rescue.now', request: { number, plan, grace, thorough: true, scope } }),
        notBegun: () => rescueSummary({ ...emptyRescue({ number: scheduledPass, plan, scope }), ...abortedPass }, 0),
      });
      return completed('rescue', ended, signal);
    },

    sweepEnded: (number, ended) => sweeps.get(number)?.answer(ended),
    rescueEnded: (number, ended) => rescues.get(number)?.answer(ended),
    signalOf(number) {
      const { signal } = sweeps.get(number) ?? rescues.get(number) ?? {};
      return signal === undefined ? stopped.signal : AbortSignal.any([signal, stopped.signal]);
    },
    stop: () => stopped.abort(),
  };
};

/** What a sweep is about; undefined for all tracked jobs. */
const scopeOf = ({ acts, ...filters }: Omit<Arguments<'sweep'>, 'plan' | 'signal'>): SweepScope | undefined => {
  if (acts !== undefined) return { acts: new Map(acts.map((act) => [act.id, act])) };
  return Object.keys(filters).length === 0 ? undefined : filters;
};

/** Which pools a rescue is about; undefined for all. */
const rescueScopeOf = ({ pools, acts }: Pick<Arguments<'rescue'>, 'pools' | 'acts'>): RescueScope | undefined => {
  if (acts === undefined) return pools === undefined ? undefined : { pools };
  const planned = plannedActsOf(acts);
  return { pools: [...planned.pools.keys()], acts: planned };
};

/** Runs a pass to its end. Aborting the signal makes that end come early. */
const createRun = (prepare: () => Promise<void>, send: (request: PassRequest) => void) => {
  let last = 0;
  return async <Summary extends { readonly error?: string }>(
    pass: Pass,
    callers: Callers<Summary>,
    signal: AbortSignal | undefined,
    { requestOf, notBegun }: { requestOf: (number: number) => PassRequest; notBegun: () => Summary },
  ): Promise<EndedPass<Summary>> => {
    if (signal?.aborted) throw new PassError(pass, notBegun(), { aborted: signal });
    await prepare();
    if (signal?.aborted) throw new PassError(pass, notBegun(), { aborted: signal });
    const number = ++last;
    const cancel = () => send({ type: `${pass}.cancel`, number });
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise<EndedPass<Summary>>((answer) => {
        callers.set(number, { signal, answer });
        send(requestOf(number));
      });
    } finally {
      callers.delete(number);
      signal?.removeEventListener('abort', cancel);
    }
  };
};

/** @throws PassError if the pass did not complete, or was aborted. */
const completed = <Summary extends { readonly error?: string }>(
  pass: Pass,
  { summary, cause }: EndedPass<Summary>,
  signal: AbortSignal | undefined,
): Summary => {
  if (signal?.aborted) throw new PassError(pass, summary, { aborted: signal });
  if (summary.error !== undefined) throw new PassError(pass, summary, { cause });
  return summary;
};

/** Waits for `what`, which gets a promise that resolves when the signal is aborted. */
const untilAborted = async (
  signal: AbortSignal | undefined,
  what: (aborted: Promise<void>) => Promise<unknown>,
): Promise<void> => {
  let abort = () => {};
  const aborted = new Promise<void>((resolve) => {
    abort = resolve;
  });
  if (signal?.aborted) return;
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await what(aborted);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
};
