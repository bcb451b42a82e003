import type { AnyActorRef } from 'xstate';
import { OptionsError } from '../errors.ts';
import type { Clock } from '../io/clock.ts';
import type { Judgement } from '../machines/verdict.ts';
import type { ReaperSettings } from '../options.ts';
import type { Reaper } from './reaper.ts';

export type { Clock } from '../io/clock.ts';
export { type AskedRule, askedRules, type ExplainedHook, type Explanation } from '../queries/explain.ts';
export type { RescueSummary, SweepSummary } from './summaries.ts';

/*
 * Everything that the inspector knows of a reaper. Besides this module it imports the machines only.
 */

/** What the inspector gets of a reaper: its public methods, its actors, and state that neither actors nor events show. */
export interface Inspected {
  readonly reaper: Reaper;
  /** The root of the tree of actors. */
  readonly supervisor: AnyActorRef;
  readonly namespace: string;
  /** Address of Redis, without user and password. */
  readonly redis: string;
  /** Whether every pass is a plan. */
  readonly plan: boolean;
  readonly clock: Clock;
  readonly settings: InspectSettings;
  /** The state now. Times of day in ms of the clock. */
  now(): {
    readonly hooksInFlight: number;
    /** When the next scheduled passes of this host are due. */
    readonly sweepDueAt: number | undefined;
    readonly rescueDueAt: number | undefined;
    /** Suspects that wait for the end of their grace period, or for a free slot, and since when. */
    readonly waitingPools: readonly { readonly pool: string; readonly since: number }[];
    /** The host that runs the scheduled passes; undefined if there is none, or if the hosts share no schedule. */
    readonly leader: { readonly host: string; readonly isThisOne: boolean } | undefined;
  };
  /** Of the jobs that end in their first tick, only those that `choose` accepts are shown. */
  follow(choose: Follow): void;
  fault(where: string, error: string): void;
}

/** Whether to show the actor of a job with this judgement. */
export type Follow = (id: string, judgement: Judgement) => boolean;

export type InspectSettings = Exclude<ReaperSettings['inspect'], false>;

/** An inspector that listens. */
export interface OpenInspector {
  /** URL for a browser, token included. */
  readonly url: string;
  close(): Promise<void>;
}

/** Everything but what the caller of the inspector chooses. */
export type Inspectable = Omit<Inspected, 'settings'>;

const inspectables = new WeakMap<object, () => Inspectable>();

/** Makes a reaper known to inspectors that are mounted in other servers. `inspected` starts its actors. */
export const makeInspectable = (reaper: Reaper, inspected: () => Inspectable): void => {
  inspectables.set(reaper, inspected);
};

/** @throws OptionsError for an object that `createReaper` has not returned. */
export const inspectedOf = (reaper: Reaper): Inspectable => {
  const inspected = inspectables.get(reaper);
  if (inspected === undefined) {
    throw new OptionsError('createInspector', [{ path: '', message: 'the first argument must be a reaper' }]);
  }
  return inspected();
};
