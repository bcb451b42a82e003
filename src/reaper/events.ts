import type { HookOutcome } from '../io/hooks/results.ts';
import type { Quarantined } from '../io/pools/quarantine.ts';
import type { JobOutcome } from '../machines/job.ts';
import type { PoolOutcome } from '../machines/types/pool.ts';
import type { FinishedEntry, OrphanedEntry } from '../machines/types/rescue.ts';
import type { RescueSummary, SweepSummary } from './summaries.ts';

/** Something that went wrong and stopped nothing. */
export interface Fault {
  readonly where: string;
  readonly error: string;
  /** Of the system, such as `EMFILE`, where it is this host that lacks something. */
  readonly code?: string;
}

export interface LeaseChange {
  /** Whether it is this one. */
  readonly holds: boolean;
  /** Host and process of the holder. */
  readonly host: string;
}

/** The connection to Redis is lost, or there again. The begin of an outage is an `error` event too. */
export interface ConnectionChange {
  readonly state: 'lost' | 'restored';
  /** Where it leads, without user and password. */
  readonly redis: string;
  /** Why it was lost. */
  readonly error?: string;
  /** How long the outage was, in ms. */
  readonly durationMs?: number;
}

export interface ReaperEvents {
  /** Every scanned job. */
  job: JobOutcome;
  /** Every suspected pool, at its end. */
  pool: PoolOutcome;
  /** Every entry that was put back since no worker of the live pool that held it ran it. */
  lost: OrphanedEntry;
  /** Every entry of a live pool that was removed, since its job had ended in Success and its worker's finish was lost. */
  finished: FinishedEntry;
  /** Every job that was taken out of circulation, for its workers died. */
  quarantined: Quarantined;
  /** Every attempt to deliver a hook. */
  hook: HookOutcome;
  /** A sweep has ended: all of its acts are done, its hooks are under way. */
  sweep: SweepSummary;
  rescue: RescueSummary;
  /** Who does the scheduled passes has changed, or is known now. */
  lease: LeaseChange;
  /** The connection to Redis is lost, or there again. */
  connection: ConnectionChange;
  error: Fault;
}

export type Listener<Name extends keyof ReaperEvents> = (event: ReaperEvents[Name]) => unknown;

export interface Emitter {
  on<Name extends keyof ReaperEvents>(name: Name, listener: Listener<Name>): void;
  off<Name extends keyof ReaperEvents>(name: Name, listener: Listener<Name>): void;
  emit<Name extends keyof ReaperEvents>(name: Name, event: ReaperEvents[Name]): void;
}

/** Unlike Node's own emitter: a listener that throws or rejects harms nobody, and `error` may go unheard. */
export const createEmitter = (onListenerError: (name: string, error: unknown) => void): Emitter => {
  const listeners = new Map<string, Set<Listener<keyof ReaperEvents>>>();
  return {
    on(name, listener) {
      const known = listeners.get(name) ?? new Set();
      listeners.set(name, known.add(listener as Listener<keyof ReaperEvents>));
    },
    off(name, listener) {
      listeners.get(name)?.delete(listener as Listener<keyof ReaperEvents>);
    },
    emit(name, event) {
      for (const listener of listeners.get(name) ?? []) {
        try {
          const result = listener(event);
          if (result instanceof Promise) result.catch((error) => onListenerError(name, error));
        } catch (error) {
          onListenerError(name, error);
        }
      }
    },
  };
};
