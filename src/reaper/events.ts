import { EventEmitter, on } from 'node:events';
import type { QuarantinedJob } from '../admin/quarantineRecords.ts';
import { type BackgroundError, OptionsError } from '../errors.ts';
import type { HookOutcome } from '../io/hooks/results.ts';
import type { SuspensionReason } from '../machines/refusal.ts';
import type { JobOutcome } from '../machines/types/job.ts';
import type { PoolOutcome } from '../machines/types/pool.ts';
import type { FinishedEntry, OrphanedEntry } from '../machines/types/rescue.ts';
import { renamedEvents } from '../options/renamed.ts';
import { readArguments } from '../options.ts';
import type { RescueSummary, SweepSummary } from './summaries.ts';

/** An entry of a live pool that none of its workers runs. With `plan` nothing was changed. */
export type OrphanOutcome =
  /** It went back into its queue. No worker was observed to run it for `unobservedMs`. */
  | ({ readonly outcome: 'requeued'; readonly unobservedMs: number } & Omit<OrphanedEntry, 'unobservedS'>)
  /** It was removed, because its job had ended in Success `endedMs` ago and its worker's finish was lost. */
  | ({ readonly outcome: 'removed'; readonly endedMs: number } & Omit<FinishedEntry, 'endedS'>);

/** Jobs of one page that a sweep has passed over, because they are plainly ongoing (`sweep.screen`). */
export interface ScreenedJobs {
  readonly count: number;
  /** By job type. */
  readonly types: Readonly<Record<string, number>>;
}

/** Another host has become the leader, or the leader is known now. */
export interface LeaderChange {
  /** Host and process of the leader, such as `core-1:4711`. */
  readonly host: string;
  readonly isThisHost: boolean;
}

/** Passes of one kind are suspended, or no longer suspended. */
export interface Suspension {
  readonly pass: 'sweep' | 'rescue';
  readonly isSuspended: boolean;
  /** Why, and what to do; left out if the passes run again. */
  readonly reason?: SuspensionReason;
}

/** The connection to Redis is lost or restored. The start of an outage is an `error` event too. */
export interface ConnectionChange {
  readonly state: 'lost' | 'restored';
  /** Address of Redis, without user and password. */
  readonly redis: string;
  /** Why it was lost. */
  readonly error?: string;
  /** Length of the outage, in ms. */
  readonly durationMs?: number;
}

export interface ReaperEvents {
  /** A job was judged, and acted on if needed. */
  job: JobOutcome;
  /** A suspected pool was rescued, cleared or given up. */
  pool: PoolOutcome;
  /** An entry of a live pool was requeued or removed, because none of its workers runs it. */
  orphan: OrphanOutcome;
  /** A poison job was quarantined. */
  quarantine: QuarantinedJob;
  /** A hook was attempted. */
  hook: HookOutcome;
  /** A sweep has ended. Its acts are done; its hooks are being sent. */
  sweep: SweepSummary;
  /** A sweep has passed over jobs: each would have had the verdict `keep`, with the reason `ongoing`. */
  screened: ScreenedJobs;
  /** A rescue pass has ended. */
  rescue: RescueSummary;
  /** The leader has changed, or is known now. */
  leader: LeaderChange;
  /** Passes are suspended, or run again. */
  suspended: Suspension;
  /** The connection to Redis is lost or restored. */
  connection: ConnectionChange;
  /** Something failed and stopped nothing. */
  error: BackgroundError;
}

export type EventName = keyof ReaperEvents;
export type Listener<Name extends EventName> = (event: ReaperEvents[Name]) => unknown;

const names: Readonly<Record<EventName, true>> = {
  ...{ job: true, pool: true, orphan: true, quarantine: true, hook: true, sweep: true, screened: true, rescue: true },
  ...{ leader: true, suspended: true, connection: true, error: true },
};

/** The methods of a reaper that have to do with events. */
export interface EventSource {
  /**
   * Calls `listener` at each event. Errors thrown by listeners are caught and logged; an `error` event without a listener
   * throws nothing.
   */
  on<Name extends EventName>(name: Name, listener: Listener<Name>): void;
  /** Removes a listener that was added with `on` or `once`. */
  off<Name extends EventName>(name: Name, listener: Listener<Name>): void;
  /**
   * Calls `listener` at the next event only.
   *
   * @example
   * reaper.once('leader', ({ host, isThisHost }) => console.log(isThisHost ? 'this host leads' : `${host} leads`));
   */
  once<Name extends EventName>(name: Name, listener: Listener<Name>): void;
  /**
   * The events from now on, one after the other. The iteration ends when the reaper stops. Events wait in memory until they
   * are read.
   *
   * @param options.signal rejects the iteration with an AbortError when it is aborted.
   * @example
   * for await (const { id, verdict } of reaper.events('job')) console.log(id, verdict);
   */
  events<Name extends EventName>(
    name: Name,
    options?: { readonly signal?: AbortSignal },
  ): AsyncIterableIterator<ReaperEvents[Name]>;
}

export interface Emitter extends EventSource {
  emit<Name extends EventName>(name: Name, event: ReaperEvents[Name]): void;
  /** Ends all iterations. */
  end(): void;
}

/** @param onListenerError called with each error that a listener throws, or rejects with. */
export const createEmitter = (onListenerError: (name: string, error: unknown) => void): Emitter => {
  const emitter = new EventEmitter().setMaxListeners(0);
  let hasEnded = false;
  return {
    on: (name, listener) => void emitter.on(keyOf(name), listener),
    off: (name, listener) => void emitter.off(keyOf(name), listener),
    once: (name, listener) => void emitter.once(keyOf(name), listener),
    events(name, options) {
      const { signal } = readArguments('events', options);
      // Listens at once: events between this call and the first read are not lost.
      const each = on(emitter, keyOf(name), { close: ['end'], ...(signal === undefined ? {} : { signal }) });
      if (hasEnded) void each.return?.();
      return eventsOf(each);
    },
    emit(name, event) {
      for (const listener of emitter.rawListeners(keyOf(name))) {
        try {
          const result: unknown = listener.call(emitter, event);
          if (result instanceof Promise) result.catch((error) => onListenerError(name, error));
        } catch (error) {
          onListenerError(name, error);
        }
      }
    },
    end() {
      hasEnded = true;
      emitter.emit('end');
    },
  };
};

async function* eventsOf<T>(each: ReturnType<typeof on>): AsyncGenerator<T> {
  for await (const [event] of each) yield event;
}

/**
 * The name of an event in Node's emitter, which treats the name `error` specially: so every event has a prefix there.
 * @throws OptionsError for an event that does not exist, which no listener would ever get.
 */
const keyOf = (name: EventName): string => {
  if (Object.hasOwn(names, name)) return `reaper:${name}`;
  const now = Object.hasOwn(renamedEvents, name) ? renamedEvents[name] : undefined;
  const advice = now === undefined ? `use one of ${Object.keys(names).join(', ')}` : `use ${now}`;
  throw new OptionsError('on', [{ path: name, message: `unknown event: ${advice}` }]);
};
