import type { AnyActorRef } from 'xstate';
import type { Clock } from '../io/clock.ts';
import type { Judgement } from '../machines/verdict.ts';
import type { ReaperSettings } from '../options.ts';
import type { Reaper } from './create.ts';

/** What the inspector is given of a reaper: its public surface, its actors, and what neither an actor nor an event tells. */
export interface Inspected {
  readonly reaper: Reaper;
  readonly supervisor: AnyActorRef;
  /** The actor that sees to the sending of hooks. */
  readonly dispatcher: AnyActorRef;
  readonly namespace: string;
  /** Where Redis is, without user and password. */
  readonly redis: string;
  /** Whether every pass is a plan. */
  readonly plan: boolean;
  readonly clock: Clock;
  readonly settings: InspectSettings;
  /** Hooks under way now, and when the next scheduled passes of this host are due, in ms of the clock. */
  now(): {
    readonly hooksInFlight: number;
    readonly sweepDueAt: number | undefined;
    readonly rescueDueAt: number | undefined;
    /** Suspects that wait out their grace, or for a slot; since when, in ms of the clock. */
    readonly waitingPools: readonly { readonly pool: string; readonly since: number }[];
    /** Who does the scheduled passes; undefined where hosts share none, or nobody does. */
    readonly leader: { readonly host: string; readonly isThisOne: boolean } | undefined;
  };
  /** Has only those jobs seen, of those that end in their first tick, that it chooses. */
  follow(choose: Follow): void;
  fault(where: string, error: string): void;
}

/** Whether the walk of a job that was judged so is to be seen. */
export type Follow = (id: string, judgement: Judgement) => boolean;

export type InspectSettings = Exclude<ReaperSettings['inspect'], false>;

/** An inspector that listens. */
export interface OpenInspector {
  /** Where a browser finds it, its token included. */
  readonly url: string;
  close(): Promise<void>;
}
