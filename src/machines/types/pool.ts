import type { Fence } from '../lease.ts';
import type { PlannedRescue, PoisonEntry, PoolTraces } from './changes.ts';

/** A pool of workers that does not look alive, and what was seen of it. */
export interface Suspect {
  readonly pool: string;
  /** heartbeat_at as it stood, or the empty string for none. A heartbeat that moves on clears the pool. */
  readonly heartbeat: string;
  /** Job types among which its entries and locks are looked for. */
  readonly types: readonly string[];
  /** Why it is suspected. */
  readonly evidence: string;
  /** Disruptions of Redis or of this process by then: after another one, what was seen proves nothing. */
  readonly disruptions: number;
  /** What Redis holds of it besides its entries. It is removed with the pool. */
  readonly traces?: PoolTraces;
  /** When it was seen in that state, in monotonic ms: its grace counts from then. */
  readonly at: number;
  /** Whether one of its in-progress lists held an entry then. Such a pool is rescued before others. */
  readonly holdsEntries?: boolean;
  /** Token of the pass that has found it: what that pass itself requeues does not count for it (`lua/includes/recovery.lua`). */
  readonly pass?: string;
  /** What is done with it at most, where its pass does a plan. */
  readonly planned?: PlannedRescue | undefined;
  /** Of the pass that has found it, if that was a scheduled one of several hosts. */
  readonly fence?: Fence | undefined;
}

/** What a dead pool holds of a type. */
export interface Held {
  readonly type: string;
  readonly entries: number;
  /** In a plan: ids of the jobs that would go to quarantine, an entry each; they are not among `entries`. */
  readonly poison?: readonly string[];
  /** In a plan: what would be done with each entry, as `PlannedRescue.marks`. */
  readonly marks?: string;
  /** Why its entries cannot be requeued: a key by its name, and what to do. */
  readonly unreadable?: string;
}

export interface PoolInput {
  readonly suspect: Suspect;
  readonly plan: boolean;
  /** How long the pool may prove that it is alive, in ms. `pools` waits it out before it starts the actor. */
  readonly grace: number;
  /** What was done before the pool had to wait out another grace. */
  readonly before?: PoolProgress;
}
/** What was done with a pool by now. */
export type PoolDone = Pick<PoolContext, 'moved' | 'quarantined'>;
export type PoolProgress = Pick<PoolContext, 'moved' | 'quarantined' | 'failures' | 'error' | 'cause'>;

/**
 * `rescued`: its entries were requeued, and this reaper removed it. `cleaned`: it had left nothing to requeue, as after a graceful stop,
 * or another reaper removed it: each of them counts the entries that it requeued. `planned`: it would have been rescued or cleaned up.
 * `abandoned`: given up with an error; the next pass finds it again. In a plan, also: it would be, and `unreadable` says why.
 */
export type PoolEnd = 'rescued' | 'cleaned' | 'alive' | 'planned' | 'abandoned';
export interface PoolOutcome {
  readonly pool: string;
  readonly outcome: PoolEnd;
  readonly evidence: string;
  /** Requeued entries by job type (in a plan: those that would be). */
  readonly moved: Readonly<Record<string, number>>;
  readonly entries: number;
  /** Entries that went to quarantine instead (in a plan: that would). They are not counted in `entries`. */
  readonly quarantined: number;
  /** Those entries; left out where there are none. */
  readonly poison?: readonly PoisonEntry[];
  /** What else was removed of it (in a plan: would be); left out where the pool stays registered. */
  readonly deregistered?: PoolTraces;
  /** Only in a plan: what a rescue does that does exactly what was planned. */
  readonly act?: PlannedRescue;
  /** Keys that kept entries where they are, each with what to do; left out where there are none. */
  readonly unreadable?: readonly string[];
  readonly error?: string;
  /** Set if it was left because it was not as planned. */
  readonly isMoved?: true;
  /** From its suspicion to this end, in ms. */
  readonly durationMs?: number;
}
/** The end of a pool, with the error behind it: the log has it with its stack. */
export interface PoolResult extends PoolOutcome {
  readonly cause?: unknown;
}
/** How the actor of a pool ends. `again`: with the input of another actor, which is started after another grace. */
export type PoolOutput = PoolResult | { readonly outcome: 'again'; readonly input: PoolInput };

/** What a step finds of a pool that writes heartbeats: nothing was done. */
export interface Alive {
  readonly outcome: 'alive';
}
/** A step cannot be done for the entries of a type: why, and what to do. */
export interface TypeRefused {
  readonly outcome: 'refused';
  readonly reason: string;
}
/** What `confirm` finds: that the pool is alive, or what it holds. */
export type Confirmation = Alive | { readonly outcome: 'dead'; readonly held: readonly Held[] };
/** What `review` finds: that the pool is alive, or the suspect as it looks now. */
export type Reviewed = Alive | { readonly outcome: 'suspect'; readonly suspect: Suspect };
/**
 * What `requeue` did. `counts`: for each type that it began, in their order, how many entries it moved and how many are left; it
 * begins the next type when none is left. `poison`: the job before whose entry it stopped, because that was recovered too often.
 * `failure`: the error of one of its scripts, where another one moved entries; left out where the next step meets the same error.
 */
export type Requeued =
  | Alive
  | {
      readonly outcome: 'moved';
      readonly counts: readonly { readonly moved: number; readonly left: number }[];
      readonly poison?: string | undefined;
      readonly failure?: unknown;
    }
  | TypeRefused;
/** `again`: the entry was gone, or may be requeued after all: `requeue` tries again. */
export type Quarantining = Alive | { readonly outcome: 'again' | 'quarantined' } | TypeRefused;
/**
 * `entries`: new entries have come up, and are requeued first. `left`: some cannot be requeued, so the pool stays registered.
 * `deregistered`: the pool was removed, and had died. `traces`: it was removed, and had left only traces: no entries, and no heartbeat or no
 * registration. `gone`: it had none of them, or another reaper has removed it.
 */
export type Deregistered = Alive | { readonly outcome: 'entries' | 'left' | 'deregistered' | 'traces' | 'gone' };

export interface PoolContext extends PoolInput {
  readonly held: readonly Held[];
  /** Index in `held` of the first type whose entries are not requeued yet. */
  readonly at: number;
  /** How many entries of that type are left, if a step has begun it. */
  readonly left: number | undefined;
  readonly moved: Readonly<Record<string, number>>;
  /** Job whose entry must not be requeued. */
  readonly poison: string | undefined;
  readonly quarantined: readonly PoisonEntry[];
  /** Why the entries of some types stay where they are. */
  readonly unreadable: readonly string[];
  readonly failures: number;
  readonly error: string | undefined;
  /** The error itself; undefined where only its text is known. */
  readonly cause: unknown;
}
