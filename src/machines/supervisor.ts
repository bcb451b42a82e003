import {
  and,
  assign,
  type ErrorActorEvent,
  emit,
  enqueueActions,
  fromPromise,
  raise,
  setup,
  stateIn,
  stopChild,
} from 'xstate';
import type { TrackedJob } from './facts.ts';
import { abandonedPool, addToGraces, byUrgency, type Grace, type WaitingPool, waitingIn } from './graces.ts';
import { type JobOutcome, messageOf } from './job.ts';
import { type LaneFreed, laneMachine } from './lane.ts';
import { type Fence, FencedError, type Term } from './lease.ts';
import { PermanentError } from './permanent.ts';
import { type PoolInput, type PoolOutcome, type PoolOutput, poolMachine, type Suspect } from './pool.ts';
import { RefusedError } from './refusal.ts';
import {
  changesOfCounters,
  changesOfLive,
  changesOfPool,
  type Locks,
  type PoisonEntry,
  type RescueChange,
  withLocks,
} from './rescueChanges.ts';
import { addTally, emptyTally, type Tally, tallyOf } from './tally.ts';
import type { Policy } from './verdict.ts';

/** A page of tracked jobs with their facts; after the last one the sweep drains. */
export interface Page {
  readonly jobs: readonly TrackedJob[];
  readonly isLast: boolean;
}

/** What `examine` leaves: the jobs that have to act, and the count of those that had nothing to do. */
export interface Examined {
  readonly acting: readonly TrackedJob[];
  readonly tally: Tally;
  /** Why nothing can be done with those that have to act: Redis refuses writes. */
  readonly suspended?: string;
}

/** What `find` sees of one look at the pools. */
export interface Found {
  readonly alive: number;
  /** Pools whose heartbeat is ahead of Redis: the clocks of their hosts are wrong. */
  readonly clockAhead: number;
  readonly suspects: readonly Suspect[];
  /** All job types that are known by now. */
  readonly types: readonly string[];
  /** In-progress lists that are known by now, as [type, pool]. */
  readonly lists: readonly (readonly [string, string])[];
  /** Keys that can't be read, and lists whose names can't: each with what to do. */
  readonly unreadable: readonly string[];
  readonly live: readonly LivePool[];
  /** Why nothing was judged: Redis, or we ourselves, are not fit for it now. */
  readonly suspended?: string;
}

/** A pool that lives, and where to look for what it holds. */
export interface LivePool {
  readonly pool: string;
  readonly workerIds: readonly string[];
  readonly types: readonly string[];
  /** Token of the pass, as a suspect has it. */
  readonly pass?: string;
  /** heartbeat_at of a pool that lives only since it moves, for it is not young by Redis TIME (`lua/includes/alive.lua`). */
  readonly moving?: string;
}

/** An entry of a live pool that none of its workers ran, and that was put back into its queue. */
export interface OrphanedEntry {
  readonly id: string;
  readonly type: string;
  readonly pool: string;
  /** For how long it was seen to be unobserved, in s. */
  readonly unobservedS: number;
  /** It would have been put back. */
  readonly plan: boolean;
}

/** An entry of a live pool that was removed as a finish would have, since its job had ended in Success. */
export interface FinishedEntry {
  readonly id: string;
  readonly type: string;
  readonly pool: string;
  /** For how long its job had been in Success, in s. */
  readonly endedS: number;
  /** It would have been removed. */
  readonly plan: boolean;
}

/** What `restore` did in one look at the lists of live pools. */
export interface Restored {
  readonly lost: readonly OrphanedEntry[];
  /** Pools whose entries can't be judged, since their workers have never said what they run; not all, where many. */
  readonly unobserved: readonly string[];
  /** Entries that look lost, of which nothing says for sure that nobody runs them: left where they are. */
  readonly undecided: number;
  /** For how long the oldest of them has been unobserved, in s; 0 where there is none. */
  readonly oldestUndecidedS: number;
  readonly finished: readonly FinishedEntry[];
  /** Entries that were lost and went to quarantine (in a plan: would), since their jobs were recovered too often. */
  readonly poison: readonly PoisonEntry[];
  /** When all that looks lost by now will have done so for long enough, in ms from now; undefined where nothing does. */
  readonly dueInMs: number | undefined;
  /** Why it did not get to its end. */
  readonly error?: string;
}

/** A type whose counters did not agree with its in-progress lists, and were made to (in a plan: would be). */
export interface Drift {
  readonly type: string;
  readonly lockBefore: string;
  readonly lock: string;
  readonly fields: number;
  /** By how much the lock was too high (below 0: too low), and the sum of what the fields of lock_info were off. */
  readonly size: { readonly lock: number; readonly lockInfo: number };
}
export interface Recounted {
  readonly drift: readonly Drift[];
  /** Types whose counters can't be read, with the reason. */
  readonly unreadable: readonly string[];
  readonly locks: Locks;
}

export interface SweepRequest {
  readonly number: number;
  readonly plan: boolean;
}
export interface RescueRequest {
  readonly number: number;
  readonly plan: boolean;
  /** In ms; undefined for the configured one. */
  readonly grace: number | undefined;
  /** Look through the names of all keys, however long that takes. */
  readonly thorough: boolean;
}

export interface SweepResult {
  readonly number: number;
  readonly plan: boolean;
  readonly tally: Tally;
  /** Why it was suspended: Redis refuses writes. The next sweep finds the jobs that it has left. */
  readonly suspended?: string;
  readonly error?: string;
}
export interface RescueResult {
  readonly number: number;
  readonly plan: boolean;
  readonly alive: number;
  /** Pools, alive or not, whose heartbeat is ahead of Redis. */
  readonly clockAhead: number;
  /** Pools that it suspected, and that no earlier pass has in hand; where a caller asks, those of scheduled passes too. */
  readonly suspects: number;
  readonly pools: Readonly<Record<PoolOutcome['outcome'], number>>;
  readonly entries: number;
  /** Entries of live pools that none of their workers ran, put back (in a plan: that would be). */
  readonly lost: number;
  readonly unobserved: Restored['unobserved'];
  readonly undecided: number;
  readonly oldestUndecidedS: number;
  /** Entries whose jobs had ended in Success, removed as a finish would have (in a plan: that would be). */
  readonly finished: number;
  /** Entries that went to quarantine instead of their queues (in a plan: would). */
  readonly quarantined: number;
  readonly drift: readonly Drift[];
  /** Each change that was made (in a plan: that would be), in an order that depends on nothing else. */
  readonly changes: readonly RescueChange[];
  /** Keys that were left as they are, for they hold another type than they have to, or their names can't be read. */
  readonly unreadable: readonly string[];
  /** Why no pool was judged: Redis, or we ourselves, were not fit for it. The next look tries again. */
  readonly suspended?: string;
  readonly error?: string;
}

export interface SupervisorInput {
  readonly policy: Policy;
  /** How many jobs may act at once. */
  readonly lanes: number;
  /** How many dead pools are rescued at once. */
  readonly poolSlots: number;
  /** How long a suspected pool may prove that it lives, in ms. */
  readonly poolGrace: number;
  /** Judge and change nothing: every pass is a plan. */
  readonly plan: boolean;
  /** Scheduled passes are for whichever host has the lease. Without it this one does its own. */
  readonly needsLease: boolean;
}

export type SupervisorEvent =
  | { type: 'schedule' }
  | { type: 'sweep.now'; request: SweepRequest }
  | { type: 'rescue.now'; request: RescueRequest }
  | { type: 'stop' }
  /** The supervisor says it to itself: the lease is another's, or this one's anew. */
  | { type: 'lease.changed' }
  /** The same: the grace of the suspects that have waited longest is over. */
  | { type: 'grace.over'; dueAt: number }
  | LaneFreed
  | { type: 'xstate.done.actor.*'; actorId: string; output: PoolOutput }
  | (ErrorActorEvent & { type: 'xstate.error.actor.*' });

export type SupervisorEmitted =
  | { type: 'sweep.started'; request: SweepRequest }
  | { type: 'sweep.ended'; result: SweepResult }
  /** `pass`: which one it is of all; scheduled ones have the same number in their requests. */
  | { type: 'rescue.started'; request: RescueRequest; pass: number }
  /** `pass` is left out for one that was never begun. */
  | { type: 'rescue.ended'; result: RescueResult; pass?: number }
  | { type: 'job'; outcome: JobOutcome }
  /** `since`: when it was suspected, in monotonic ms. */
  | { type: 'pool'; outcome: PoolOutcome; since: number }
  | { type: 'lost'; entry: OrphanedEntry }
  | { type: 'finished'; entry: FinishedEntry }
  | { type: 'lease'; holds: boolean; host: string }
  | { type: 'fault'; where: string; error: string };

/** A pass of rescue that waits for the pools it found. */
export interface Pass {
  readonly id: number;
  readonly result: RescueResult;
  /** How many pools it waits for. */
  readonly waitsFor: number;
  readonly locks: Locks;
  /** Whether it has looked at everything, so that only its pools are still missing. */
  readonly isComplete: boolean;
}

export interface SupervisorContext extends SupervisorInput {
  readonly isScheduled: boolean;
  readonly isStopping: boolean;
  readonly isFirstSweep: boolean;
  readonly isFirstRescue: boolean;
  /** As Redis has last said; undefined before it has. */
  readonly term: Term | undefined;
  readonly leaseFailures: number;
  /** That of the tenure in which the pass began; none for passes that callers asked for. */
  readonly sweepFence: Fence | undefined;
  readonly rescueFence: Fence | undefined;
  /** The tenure in which a pass has failed: the next try is an interval later, unless the lease is had anew. */
  readonly sweepFailedIn: Fence | undefined;
  readonly rescueFailedIn: Fence | undefined;
  readonly sweepRequests: readonly SweepRequest[];
  readonly sweep: SweepResult | undefined;
  readonly sweepFailures: number;
  readonly page: Page;
  readonly acting: readonly TrackedJob[];
  readonly idle: readonly string[];
  readonly laneFaults: number;
  readonly rescueRequests: readonly RescueRequest[];
  readonly rescue: RescueRequest | undefined;
  readonly rescueFailures: number;
  readonly types: readonly string[];
  readonly lists: Found['lists'];
  readonly live: readonly LivePool[];
  /** After how many ms a pass that somebody asked for looks at the lists of live pools once more; undefined for not. */
  readonly looksAgainIn: number | undefined;
  readonly passes: readonly Pass[];
  /** Passes that have begun by now. */
  readonly begun: number;
  /** Suspects whose grace is not over: it ends for all side by side. */
  readonly graces: readonly Grace[];
  /** When the timer of the first grace was set for, in monotonic ms. */
  readonly timedFor: number | undefined;
  /** Suspects that have waited out their grace and wait for a free slot, those that hold entries first. */
  readonly suspects: readonly WaitingPool[];
  /** Pools that were removed, or proved to live, since the present look began: what that says of them is older. */
  readonly endedSince: readonly string[];
  /** Slot → pool that is worked on. */
  readonly slots: Readonly<Record<string, string>>;
  /** The same, with what is known of it. */
  readonly slotPools: Readonly<Record<string, WaitingPool>>;
}

/** Failures in a row of a page or of a look at the pools, after which the pass is given up. */
const patience = 6;
/** Lanes that may break, all told, before no more are put in their place: a lane breaks only by a fault of a chart. */
const laneIntensity = 64;
const noPage: Page = { jobs: [], isLast: false };
const unprovided = (name: string) => () => Promise.reject(new Error(`${name} was not provided`));

/** Number that the supervisor gives to passes that nobody asked for; those of callers are above 0. */
export const scheduledPass = 0;

/**
 * The supervisor: four regions side by side.
 *
 * `sweep`: `resting` until it is scheduled or asked; `waiting` for its time (first after 5 min, then every hour, with
 * jitter) or for `sweep.now`; `scanning` pages of tracked jobs: `reading` a page, `examining` it (jobs with nothing to
 * do end there, each in its own actor's first tick), `dealing` those that act to free lanes, and only then the next
 * page, so that memory stays flat; a page that can't be read is tried again after `pausing`; a sweep on a Redis that refuses
 * writes is suspended: it deals no more jobs; `draining` until every lane is idle again; `noting` its end for the other hosts, if they share the schedule.
 *
 * `rescue`: `resting`, `waiting` likewise (first after 5 s, then every 10 s, and as soon as a heartbeat grows old); `finding`
 * suspects, each of which waits out its grace beside the others and gets one pool actor then, a pool that is already in hand
 * none; `recounting` the counters of all types, before pools without a grace begin; `restoring` entries that are lost on live
 * pools: one look a pass, and where somebody asked for the pass with a grace, a second one after `biding` its time, for it
 * takes two; a look that fails is tried again after `pausing`, one that stands down (no judgement on a sick Redis) ends the
 * pass. A pass ends when the pools that it found have ended, however many passes have begun meanwhile, and each pool is
 * reported by one pass: by the one that found it first, or by one that a caller has asked for since.
 *
 * `lease`: `off` where this host shares no schedule; `shared`: `asking` for the lease; `told` who has it; `holding` it until
 * it is renewed, or `watching` whoever does, until it is asked again. Scheduled passes wait for their time only while the
 * lease is held, and are begun with its fence. When it is lost, or had anew, a sweep in hand ends with an error that says
 * so, a look once it has been answered, and the pools that were found are given up; passes that callers asked for go on.
 * It is `over` last, so that what is in hand when the reaper is stopped is not fenced off.
 *
 * `life`: `running` until `stop`, then `stopping`: no new page, no new pool; what is in hand finishes.
 *
 * Actions here never throw: what an effect needs to do outside is emitted.
 */
export const supervisorMachine = setup({
  types: {
    context: {} as SupervisorContext,
    input: {} as SupervisorInput,
    events: {} as SupervisorEvent,
    emitted: {} as SupervisorEmitted,
    children: {} as { [lane: `lane-${number}`]: 'lane'; [pool: `pool-${number}`]: 'pool' },
  },
  actors: {
    lane: laneMachine,
    pool: poolMachine,
    readPage: fromPromise<Page, { isFirst: boolean; plan: boolean; fence: Fence | undefined }>(unprovided('readPage')),
    completePass: fromPromise<void, { fence: Fence }>(unprovided('completePass')),
    acquireLease: fromPromise<Term, { fence: Fence | undefined }>(unprovided('acquireLease')),
    examine: fromPromise<Examined, { jobs: readonly TrackedJob[]; policy: Policy; plan: boolean }>(
      unprovided('examine'),
    ),
    /** Ends when the heartbeat of a pool that lived has grown old: the next pass must not wait for its time then. */
    watch: fromPromise<void>(unprovided('watch')),
    find: fromPromise<Found, { thorough: boolean; plan: boolean; fence: Fence | undefined }>(unprovided('find')),
    restore: fromPromise<Restored, { live: readonly LivePool[]; plan: boolean; fence: Fence | undefined }>(
      unprovided('restore'),
    ),
    recount: fromPromise<
      Recounted,
      { types: readonly string[]; lists: Found['lists']; plan: boolean; fence: Fence | undefined }
    >(unprovided('recount')),
  },
  delays: {
    // The next three are provided by the reaper, which knows the intervals, the jitter and the progress of other hosts.
    sweepDelay: 3_600_000,
    rescueDelay: 10_000,
    leaseRenewal: 3_000,
    sweepBackoff: ({ context }) => 250 * 2 ** context.sweepFailures,
    rescueBackoff: ({ context }) => 250 * 2 ** context.rescueFailures,
    secondLook: ({ context }) => context.looksAgainIn as number,
    // Provided by the reaper, which knows what time it is.
    graceLeft: ({ context }) => context.graces[0]?.pools[0]?.input.grace ?? 0,
  },
  guards: {
    isScheduled: ({ context }) =>
      context.isScheduled && !context.isStopping && (!context.needsLease || context.term?.fence !== undefined),
    wantsLease: ({ context }) => context.isScheduled && context.needsLease,
    isOtherTerm: ({ context }, params: { term: Term }) => context.term?.fence?.number !== params.term.fence?.number,
    holdsLease: ({ context }) => context.term?.fence !== undefined,
    isSweepFenced: ({ context }) => context.sweepFence !== undefined,
    isRescueFenced: ({ context }) =>
      context.rescueFence !== undefined && context.rescueFence.number !== context.term?.fence?.number,
    isStopping: ({ context }) => context.isStopping,
    hasSweepRequest: ({ context }) => context.sweepRequests.length > 0 && !context.isStopping,
    hasRescueRequest: ({ context }) => context.rescueRequests.length > 0 && !context.isStopping,
    canDeal: ({ context }) => context.acting.length > 0 && context.idle.length > 0 && !context.isStopping,
    isDealt: ({ context }) => context.acting.length === 0,
    isLastPage: ({ context }) => context.acting.length === 0 && context.page.isLast,
    areLanesIdle: ({ context }) => areLanesIdle(context),
    // A scheduled sweep of several hosts that has got to its end.
    mustComplete: ({ context }) =>
      areLanesIdle(context) &&
      context.sweepFence !== undefined &&
      context.sweep?.error === undefined &&
      context.sweep?.suspended === undefined &&
      context.page.isLast,
    isRefused: (_, params: { error: unknown }) => params.error instanceof RefusedError,
    isSweepSuspended: ({ context }) => context.sweep?.suspended !== undefined,
    mayReadAgain: ({ context }, params: { error: unknown }) =>
      context.sweepFailures < patience &&
      !(params.error instanceof FencedError) &&
      !(params.error instanceof PermanentError),
    mayLookAgain: ({ context }, params: { error: unknown }) =>
      context.rescueFailures < patience && !(params.error instanceof PermanentError),
    isTooEarly: ({ context }, params: { restored: Restored }) =>
      context.rescue?.number !== scheduledPass &&
      context.rescue?.grace !== 0 && // Who wants no grace does not want to wait; the next pass has its look.
      context.looksAgainIn === undefined &&
      params.restored.dueInMs !== undefined,
    suspended: (_, params: { found: Found }) => params.found.suspended !== undefined,
    areSlotsFree: ({ context }) => Object.keys(context.slots).length === 0,
    isEverythingStopped: and([stateIn({ sweep: 'stopped' }), stateIn({ rescue: 'stopped' })]),
    isLane: (_, params: { id: string }) => params.id.startsWith('lane-'),
    isPool: (_, params: { id: string }) => params.id.startsWith('pool-'),
  },
  actions: {
    spawnLanes: enqueueActions(({ enqueue, context }) => {
      for (const id of context.idle) enqueue.spawnChild('lane', { id: id as `lane-${number}`, input: { id } });
    }),
    replaceLane: enqueueActions(({ enqueue, context }, params: { id: string; error: unknown }) => {
      enqueue.stopChild(params.id);
      enqueue.emit({ type: 'fault', where: params.id, error: messageOf(params.error) });
      enqueue.assign({ laneFaults: context.laneFaults + 1 });
      if (context.laneFaults < laneIntensity) {
        enqueue.spawnChild('lane', { id: params.id as `lane-${number}`, input: { id: params.id } });
        enqueue.assign({ idle: context.idle.includes(params.id) ? context.idle : [...context.idle, params.id] });
      } else {
        enqueue.assign({ lanes: context.lanes - 1, idle: context.idle.filter((id) => id !== params.id) });
      }
    }),
    schedule: assign({ isScheduled: true }),

    recordTerm: enqueueActions(({ enqueue, context }, params: { term: Term }) => {
      const [before, now] = [context.term, params.term];
      enqueue.assign({ term: now, leaseFailures: 0 });
      const holds = now.fence !== undefined;
      if (before === undefined || (before.fence !== undefined) !== holds || before.host !== now.host) {
        enqueue.emit({ type: 'lease', holds, host: now.host });
      }
    }),
    // The connection tells of itself; this is asked again every few seconds.
    countLeaseFailure: enqueueActions(({ enqueue, context }, params: { error: unknown }) => {
      enqueue.assign({ leaseFailures: context.leaseFailures + 1 });
      if (context.leaseFailures > 0) return;
      enqueue.emit({ type: 'fault', where: 'asking for the lease', error: messageOf(params.error) });
    }),
    giveUpFenced: enqueueActions(({ enqueue, context }) => {
      for (const [slot, { input }] of Object.entries(context.slotPools)) {
        if (input.suspect.fence !== undefined) enqueue.sendTo(slot as `pool-${number}`, { type: 'stop' });
      }
      const isOurs = ({ input }: WaitingPool) => input.suspect.fence === undefined;
      const ends = waitingIn(context)
        .filter((pool) => !isOurs(pool))
        .map((pool) => ({ pool, outcome: abandonedPool(pool.input, new FencedError()) }));
      enqueue.assign({
        graces: keepIn(context.graces, isOurs),
        suspects: context.suspects.filter(isOurs),
        passes: withEnds(context.passes, ends),
      });
      for (const { pool, outcome } of ends) enqueue.emit({ type: 'pool', outcome, since: pool.since });
    }),
    stop: enqueueActions(({ enqueue, context }) => {
      const ends = waitingIn(context).map((pool) => ({
        pool,
        outcome: abandonedPool(pool.input, new Error('stopped before it was confirmed dead')),
      }));
      // Pools whose grace was over would have been rescued by these passes.
      const cutShort = new Set(context.suspects.flatMap((pool) => [...pool.reportedBy, ...pool.awaitedBy]));
      enqueue.assign({
        isStopping: true,
        acting: [],
        graces: [],
        suspects: [],
        passes: withEnds(context.passes, ends).map((pass) =>
          cutShort.has(pass.id) ? { ...pass, result: { error: 'the reaper is stopped', ...pass.result } } : pass,
        ),
      });
      for (const { pool, outcome } of ends) enqueue.emit({ type: 'pool', outcome, since: pool.since });
    }),

    askForSweep: assign({
      sweepRequests: ({ context }, { request }: { request: SweepRequest }) => [
        ...context.sweepRequests,
        { ...request, plan: request.plan || context.plan },
      ],
    }),
    beginSweep: enqueueActions(({ enqueue, context }) => {
      const [request = { number: scheduledPass, plan: context.plan }, ...rest] = context.sweepRequests;
      enqueue.assign({
        sweepRequests: rest,
        sweepFence: request.number === scheduledPass ? context.term?.fence : undefined,
        sweepFailedIn: undefined,
        sweep: { ...request, tally: emptyTally },
        sweepFailures: 0,
        isFirstSweep: false,
        page: noPage,
        acting: [],
      });
      enqueue.emit({ type: 'sweep.started', request });
    }),
    keepPage: assign({ page: (_, params: { page: Page }) => params.page, sweepFailures: 0 }),
    keepExamined: assign({
      acting: (_, params: { examined: Examined }) => params.examined.acting,
      sweep: ({ context }, params: { examined: Examined }) =>
        withRefusal(withTally(context.sweep, params.examined.tally), params.examined.suspended),
      sweepFailedIn: ({ context }, params: { examined: Examined }) =>
        params.examined.suspended === undefined ? context.sweepFailedIn : context.sweepFence,
    }),
    deal: enqueueActions(({ enqueue, context }) => {
      const count = Math.min(context.idle.length, context.acting.length);
      for (let i = 0; i < count; i++) {
        const job = context.acting[i] as TrackedJob;
        enqueue.sendTo(context.idle[i] as `lane-${number}`, {
          type: 'take',
          input: { job, policy: context.policy, plan: false },
        });
      }
      enqueue.assign({ idle: context.idle.slice(count), acting: context.acting.slice(count) });
    }),
    takeBackLane: enqueueActions(({ enqueue, context }, params: { lane: string; outcome: JobOutcome }) => {
      const isRefused = params.outcome.isRefused === true;
      const sweep = withTally(context.sweep, tallyOf(params.outcome));
      enqueue.assign({
        idle: [...context.idle, params.lane],
        sweep: isRefused ? withRefusal(sweep, params.outcome.error) : sweep,
        ...(isRefused ? { acting: [], sweepFailedIn: context.sweepFence } : {}),
      });
      enqueue.emit({ type: 'job', outcome: params.outcome });
    }),
    countSweepFailure: assign({ sweepFailures: ({ context }) => context.sweepFailures + 1 }),
    failSweep: assign({
      sweep: ({ context }, params: { error: unknown }) =>
        context.sweep === undefined ? undefined : { ...context.sweep, error: messageOf(params.error) },
      sweepFailedIn: ({ context }) => context.sweepFence,
    }),
    // Nobody has done the pass that all hosts share: it is tried again an interval later.
    suspendSweep: assign({
      sweep: ({ context }, params: { error: unknown }) => withRefusal(context.sweep, messageOf(params.error)),
      sweepFailedIn: ({ context }) => context.sweepFence,
    }),
    endSweep: enqueueActions(({ enqueue, context }) => {
      if (context.sweep !== undefined) {
        const cutShort = context.isStopping && !(context.page.isLast && context.sweep.error === undefined);
        enqueue.emit({
          type: 'sweep.ended',
          result: cutShort ? { error: 'stopped before its end', ...context.sweep } : context.sweep,
        });
      }
      enqueue.assign({ sweep: undefined, sweepFence: undefined, page: noPage, acting: [] });
    }),
    refuseSweeps: enqueueActions(({ enqueue, context }) => {
      for (const request of context.sweepRequests) {
        enqueue.emit({
          type: 'sweep.ended',
          result: { ...request, tally: emptyTally, error: 'the reaper is stopped' },
        });
      }
      enqueue.assign({ sweepRequests: [] });
    }),

    askForRescue: assign({
      rescueRequests: ({ context }, { request }: { request: RescueRequest }) => [
        ...context.rescueRequests,
        { ...request, plan: request.plan || context.plan },
      ],
    }),
    beginRescue: enqueueActions(({ enqueue, context }) => {
      const [
        request = { number: scheduledPass, plan: context.plan, grace: undefined, thorough: context.isFirstRescue },
        ...rest
      ] = context.rescueRequests;
      enqueue.assign({
        rescueRequests: rest,
        rescue: request,
        rescueFence: request.number === scheduledPass ? context.term?.fence : undefined,
        rescueFailedIn: undefined,
        rescueFailures: 0,
        isFirstRescue: false,
        looksAgainIn: undefined,
        endedSince: [],
        begun: context.begun + 1,
        passes: [
          ...context.passes,
          { id: context.begun + 1, result: emptyRescue(request), waitsFor: 0, locks: new Map(), isComplete: false },
        ],
      });
      enqueue.emit({ type: 'rescue.started', request, pass: context.begun + 1 });
    }),
    keepFound: assign(({ context }, params: { found: Found }) => {
      const request = context.rescue as RescueRequest;
      const ended = new Set(context.endedSince);
      const taken = takeInHand(
        context,
        request,
        params.found.suspects.filter(({ pool }) => !ended.has(pool)),
      );
      return {
        endedSince: [],
        rescueFailures: 0,
        types: params.found.types,
        lists: params.found.lists,
        live: params.found.live,
        graces: taken.graces,
        suspects: taken.suspects,
        slotPools: taken.slotPools,
        passes: updateOpen(taken.passes, (pass) => ({
          ...pass,
          result: {
            ...pass.result,
            alive: params.found.alive,
            clockAhead: params.found.clockAhead,
            unreadable: union(pass.result.unreadable, params.found.unreadable),
          },
        })),
      };
    }),
    suspendRescue: assign({
      // Nobody has done the pass that all hosts share: it is tried again an interval later.
      rescueFailedIn: ({ context }) => context.rescueFence,
      passes: ({ context }, params: { found: Found }) =>
        updateOpen(context.passes, (pass) => ({
          ...pass,
          result: { ...pass.result, suspended: params.found.suspended as string },
        })),
    }),
    // Who asks for no grace means the pools already in hand too. A plan changes nothing for the others.
    skipGraces: assign(({ context }) => {
      const request = context.rescue as RescueRequest;
      if (request.grace !== 0) return {};
      const isMeant = ({ input }: WaitingPool) => input.plan === request.plan;
      const pools = context.graces.flatMap((grace) => grace.pools.filter(isMeant));
      return {
        graces: keepIn(context.graces, (pool) => !isMeant(pool)),
        suspects: byUrgency([...context.suspects, ...pools]),
      };
    }),
    // A grace that was given up meanwhile must not take the next one with it.
    endGrace: assign(({ context: { graces, suspects } }, params: { dueAt: number }) => {
      const [first, ...later] = graces;
      if (first === undefined || first.dueAt !== params.dueAt) return {};
      return { graces: later, suspects: byUrgency([...suspects, ...first.pools]), timedFor: undefined };
    }),
    // One timer, however many wait.
    timeGrace: enqueueActions(({ enqueue, context }) => {
      const dueAt = context.graces[0]?.dueAt;
      if (dueAt === context.timedFor) return;
      enqueue.cancel('grace');
      enqueue.assign({ timedFor: dueAt });
      if (dueAt !== undefined) enqueue.raise({ type: 'grace.over', dueAt }, { id: 'grace', delay: 'graceLeft' });
    }),
    spawnPools: enqueueActions(({ enqueue, context }) => {
      const free = slotsOf(context.poolSlots).filter((slot) => !(slot in context.slots));
      const next = context.suspects.slice(0, free.length);
      if (next.length === 0) return;
      const slots = { ...context.slots };
      const slotPools = { ...context.slotPools };
      for (const [i, pool] of next.entries()) {
        const id = free[i] as `pool-${number}`;
        slots[id] = pool.input.suspect.pool;
        slotPools[id] = pool;
        enqueue.spawnChild('pool', { id, input: pool.input });
      }
      enqueue.assign({ slots, slotPools, suspects: context.suspects.slice(next.length) });
    }),
    stopPools: enqueueActions(({ enqueue, context }) => {
      for (const slot of Object.keys(context.slots)) enqueue.sendTo(slot as `pool-${number}`, { type: 'stop' });
    }),
    freeSlot: enqueueActions(
      ({ enqueue, context }, params: { slot: string; output: PoolOutput | undefined; error?: unknown }) => {
        enqueue(stopChild(params.slot));
        const { [params.slot]: _, ...slots } = context.slots;
        const { [params.slot]: held, ...slotPools } = context.slotPools;
        const pool = held as WaitingPool;
        enqueue.assign({ slots, slotPools });
        const end = endOf(context, params.output ?? abandonedPool(pool.input, params.error), pool);
        if ('again' in end) {
          enqueue.assign({ graces: addToGraces(context.graces, [{ ...pool, input: end.again }]) });
          return;
        }
        const isOver = end.outcome !== 'abandoned' && end.outcome !== 'planned';
        enqueue.assign({
          passes: withEnds(context.passes, [{ pool, outcome: end }]),
          endedSince: isOver && context.rescue !== undefined ? [...context.endedSince, end.pool] : context.endedSince,
        });
        enqueue.emit({ type: 'pool', outcome: end, since: pool.since });
      },
    ),
    keepRestored: enqueueActions(({ enqueue, context }, params: { restored: Restored }) => {
      const { lost, unobserved, undecided, oldestUndecidedS, finished, poison, dueInMs, error } = params.restored;
      enqueue.assign({
        looksAgainIn: dueInMs,
        passes: updateOpen(context.passes, (pass) => ({
          ...pass,
          result: {
            ...pass.result,
            lost: pass.result.lost + lost.length,
            quarantined: pass.result.quarantined + poison.length,
            changes: [...pass.result.changes, ...changesOfLive(params.restored)],
            finished: pass.result.finished + finished.length,
            unobserved,
            undecided,
            oldestUndecidedS,
          },
        })),
      });
      for (const entry of lost) enqueue.emit({ type: 'lost', entry });
      for (const entry of finished) enqueue.emit({ type: 'finished', entry });
      if (error !== undefined) enqueue.emit({ type: 'fault', where: 'putting back lost entries', error });
    }),
    keepRecounted: assign({
      passes: ({ context }, params: { recounted: Recounted }) =>
        updateOpen(context.passes, (pass) => ({
          ...pass,
          locks: params.recounted.locks,
          result: {
            ...pass.result,
            drift: params.recounted.drift,
            changes: [...pass.result.changes, ...changesOfCounters(params.recounted)],
            unreadable: union(pass.result.unreadable, params.recounted.unreadable),
          },
        })),
    }),
    countRescueFailure: assign({ rescueFailures: ({ context }) => context.rescueFailures + 1, endedSince: [] }),
    failRescue: assign({
      passes: ({ context }, params: { error: unknown }) =>
        updateOpen(context.passes, (pass) => ({
          ...pass,
          result: { ...pass.result, error: messageOf(params.error) },
        })),
      rescueFailedIn: ({ context }) => context.rescueFence,
    }),
    completeRescue: assign({
      rescue: undefined,
      rescueFence: undefined,
      passes: ({ context }) => updateOpen(context.passes, (pass) => ({ ...pass, isComplete: true })),
    }),
    endPasses: enqueueActions(({ enqueue, context }) => {
      const isOver = (pass: Pass) => pass.isComplete && pass.waitsFor === 0;
      for (const { id, result, locks } of context.passes.filter(isOver)) {
        const changes = withLocks(result.changes, locks);
        enqueue.emit({ type: 'rescue.ended', result: { ...result, changes }, pass: id });
      }
      enqueue.assign({ passes: context.passes.filter((pass) => !isOver(pass)) });
    }),
    refuseRescues: enqueueActions(({ enqueue, context }) => {
      const error = 'the reaper is stopped';
      for (const request of context.rescueRequests) {
        enqueue.emit({ type: 'rescue.ended', result: { ...emptyRescue(request), error } });
      }
      for (const { id, result } of context.passes) {
        enqueue.emit({ type: 'rescue.ended', result: { error, ...result }, pass: id });
      }
      enqueue.assign({ rescueRequests: [], passes: [] });
    }),
    report: emit((_, params: { where: string; error: unknown }) => ({
      type: 'fault' as const,
      where: params.where,
      error: messageOf(params.error),
    })),
  },
}).createMachine({
  id: 'supervisor',
  type: 'parallel',
  context: ({ input }) => ({
    ...input,
    isScheduled: false,
    isStopping: false,
    isFirstSweep: true,
    isFirstRescue: true,
    term: undefined,
    leaseFailures: 0,
    sweepFence: undefined,
    rescueFence: undefined,
    sweepFailedIn: undefined,
    rescueFailedIn: undefined,
    sweepRequests: [],
    sweep: undefined,
    sweepFailures: 0,
    page: noPage,
    acting: [],
    idle: Array.from({ length: input.lanes }, (_, i) => `lane-${i}`),
    laneFaults: 0,
    rescueRequests: [],
    rescue: undefined,
    rescueFailures: 0,
    types: [],
    lists: [],
    live: [],
    looksAgainIn: undefined,
    passes: [],
    begun: 0,
    graces: [],
    timedFor: undefined,
    suspects: [],
    endedSince: [],
    slots: {},
    slotPools: {},
  }),
  entry: 'spawnLanes',
  on: {
    schedule: { actions: 'schedule' },
    'sweep.now': { actions: { type: 'askForSweep', params: ({ event }) => ({ request: event.request }) } },
    'rescue.now': { actions: { type: 'askForRescue', params: ({ event }) => ({ request: event.request }) } },
    'lane.freed': {
      actions: { type: 'takeBackLane', params: ({ event }) => ({ lane: event.lane, outcome: event.outcome }) },
    },
    'grace.over': {
      actions: [{ type: 'endGrace', params: ({ event }) => ({ dueAt: event.dueAt }) }, 'timeGrace', 'spawnPools'],
    },
    'xstate.done.actor.*': {
      guard: { type: 'isPool', params: ({ event }) => ({ id: event.actorId }) },
      actions: [
        { type: 'freeSlot', params: ({ event }) => ({ slot: event.actorId, output: event.output }) },
        'timeGrace',
        'spawnPools',
        'endPasses',
      ],
    },
    'xstate.error.actor.*': [
      {
        guard: { type: 'isLane', params: ({ event }) => ({ id: event.actorId }) },
        actions: { type: 'replaceLane', params: ({ event }) => ({ id: event.actorId, error: event.error }) },
      },
      {
        guard: { type: 'isPool', params: ({ event }) => ({ id: event.actorId }) },
        actions: [
          {
            type: 'freeSlot',
            params: ({ event }) => ({ slot: event.actorId, output: undefined, error: event.error }),
          },
          'spawnPools',
          'endPasses',
        ],
      },
    ],
  },
  states: {
    sweep: {
      initial: 'idle',
      states: {
        idle: {
          always: [
            { guard: 'isStopping', target: 'stopped' },
            { guard: 'hasSweepRequest', target: 'scanning' },
            { guard: 'isScheduled', target: 'waiting' },
          ],
        },
        waiting: {
          always: [
            { guard: 'isStopping', target: 'stopped' },
            { guard: 'hasSweepRequest', target: 'scanning' },
          ],
          after: { sweepDelay: 'scanning' },
          on: { 'lease.changed': 'idle' },
        },
        scanning: {
          entry: 'beginSweep',
          initial: 'reading',
          always: [
            { guard: 'isStopping', target: 'draining' },
            { guard: 'isSweepSuspended', target: 'draining' },
          ],
          on: {
            'lease.changed': {
              guard: 'isSweepFenced',
              target: 'draining',
              actions: { type: 'failSweep', params: { error: new FencedError() } },
            },
          },
          states: {
            reading: {
              invoke: {
                id: 'readPage',
                src: 'readPage',
                input: ({ context }) => ({
                  isFirst: context.page === noPage,
                  plan: context.sweep?.plan === true,
                  fence: context.sweepFence,
                }),
                onDone: {
                  target: 'examining',
                  actions: { type: 'keepPage', params: ({ event }) => ({ page: event.output }) },
                },
                onError: [
                  {
                    guard: { type: 'isRefused', params: ({ event }) => ({ error: event.error }) },
                    target: '#supervisor.sweep.draining',
                    actions: { type: 'suspendSweep', params: ({ event }) => ({ error: event.error }) },
                  },
                  {
                    guard: { type: 'mayReadAgain', params: ({ event }) => ({ error: event.error }) },
                    target: 'pausing',
                    actions: [
                      'countSweepFailure',
                      { type: 'report', params: ({ event }) => ({ where: 'reading a page', error: event.error }) },
                    ],
                  },
                  {
                    target: '#supervisor.sweep.draining',
                    actions: { type: 'failSweep', params: ({ event }) => ({ error: event.error }) },
                  },
                ],
              },
            },
            pausing: { after: { sweepBackoff: 'reading' } },
            examining: {
              invoke: {
                id: 'examine',
                src: 'examine',
                input: ({ context }) => ({
                  jobs: context.page.jobs,
                  policy: context.policy,
                  plan: context.sweep?.plan === true,
                }),
                onDone: {
                  target: 'dealing',
                  actions: { type: 'keepExamined', params: ({ event }) => ({ examined: event.output }) },
                },
                onError: {
                  target: '#supervisor.sweep.draining',
                  actions: { type: 'failSweep', params: ({ event }) => ({ error: event.error }) },
                },
              },
            },
            dealing: {
              always: [
                { guard: 'canDeal', actions: 'deal' },
                { guard: 'isLastPage', target: '#supervisor.sweep.draining' },
                { guard: 'isDealt', target: 'reading' },
              ],
            },
          },
        },
        draining: {
          always: [
            { guard: 'mustComplete', target: 'completing' },
            { guard: 'areLanesIdle', target: 'idle', actions: 'endSweep' },
          ],
        },
        completing: {
          invoke: {
            id: 'completePass',
            src: 'completePass',
            input: ({ context }) => ({ fence: context.sweepFence as Fence }),
            onDone: { target: 'idle', actions: 'endSweep' },
            onError: [
              {
                guard: { type: 'isRefused', params: ({ event }) => ({ error: event.error }) },
                target: 'idle',
                actions: [{ type: 'suspendSweep', params: ({ event }) => ({ error: event.error }) }, 'endSweep'],
              },
              {
                target: 'idle',
                actions: [{ type: 'failSweep', params: ({ event }) => ({ error: event.error }) }, 'endSweep'],
              },
            ],
          },
        },
        stopped: { type: 'final', entry: 'refuseSweeps' },
      },
    },
    rescue: {
      initial: 'idle',
      states: {
        idle: {
          always: [
            { guard: 'isStopping', target: 'stopping' },
            { guard: 'hasRescueRequest', target: 'finding' },
            { guard: 'isScheduled', target: 'waiting' },
          ],
        },
        waiting: {
          always: [
            { guard: 'isStopping', target: 'stopping' },
            { guard: 'hasRescueRequest', target: 'finding' },
          ],
          after: { rescueDelay: { target: 'finding' } },
          invoke: {
            id: 'watch',
            src: 'watch',
            onDone: 'finding',
            // The pass that is due by the schedule finds what was not seen.
            onError: {
              actions: {
                type: 'report',
                params: ({ event }) => ({ where: 'watching heartbeats', error: event.error }),
              },
            },
          },
          on: { 'lease.changed': 'idle' },
        },
        finding: {
          entry: 'beginRescue',
          initial: 'looking',
          always: { guard: 'isStopping', target: 'stopping' },
          states: {
            looking: {
              invoke: {
                id: 'find',
                src: 'find',
                input: ({ context }) => ({
                  thorough: context.rescue?.thorough === true,
                  plan: context.rescue?.plan === true,
                  fence: context.rescueFence,
                }),
                onDone: [
                  {
                    guard: 'isRescueFenced',
                    target: '#supervisor.rescue.idle',
                    actions: [
                      { type: 'failRescue', params: { error: new FencedError() } },
                      'completeRescue',
                      'endPasses',
                    ],
                  },
                  {
                    guard: { type: 'suspended', params: ({ event }) => ({ found: event.output }) },
                    target: '#supervisor.rescue.idle',
                    actions: [
                      { type: 'suspendRescue', params: ({ event }) => ({ found: event.output }) },
                      'completeRescue',
                      'endPasses',
                    ],
                  },
                  {
                    target: '#supervisor.rescue.recounting',
                    actions: [
                      { type: 'keepFound', params: ({ event }) => ({ found: event.output }) },
                      'timeGrace',
                      'endPasses',
                    ],
                  },
                ],
                onError: [
                  {
                    guard: { type: 'mayLookAgain', params: ({ event }) => ({ error: event.error }) },
                    target: 'pausing',
                    actions: [
                      'countRescueFailure',
                      {
                        type: 'report',
                        params: ({ event }) => ({ where: 'looking for dead pools', error: event.error }),
                      },
                    ],
                  },
                  {
                    target: '#supervisor.rescue.idle',
                    actions: [
                      { type: 'failRescue', params: ({ event }) => ({ error: event.error }) },
                      'completeRescue',
                      'endPasses',
                    ],
                  },
                ],
              },
            },
            pausing: { after: { rescueBackoff: 'looking' } },
          },
        },
        // Before anything is moved, so that what a plan says of the counters is what a rescue does to them.
        recounting: {
          invoke: {
            id: 'recount',
            src: 'recount',
            input: ({ context }) => ({
              types: context.types,
              lists: context.lists,
              plan: context.rescue?.plan === true,
              fence: context.rescueFence,
            }),
            onDone: {
              target: 'restoring',
              actions: { type: 'keepRecounted', params: ({ event }) => ({ recounted: event.output }) },
            },
            onError: {
              target: 'restoring',
              actions: { type: 'failRescue', params: ({ event }) => ({ error: event.error }) },
            },
          },
        },
        restoring: {
          entry: ['skipGraces', 'timeGrace', 'spawnPools'],
          initial: 'looking',
          always: { guard: 'isStopping', target: 'stopping' },
          states: {
            looking: {
              invoke: {
                id: 'restore',
                src: 'restore',
                input: ({ context }) => ({
                  live: context.live,
                  plan: context.rescue?.plan === true,
                  fence: context.rescueFence,
                }),
                onDone: [
                  {
                    guard: { type: 'isTooEarly', params: ({ event }) => ({ restored: event.output }) },
                    target: 'awaitingSecondLook',
                    actions: {
                      type: 'keepRestored',
                      // What a plan leaves where it is, is found by the second look again.
                      params: ({ context, event }) => ({
                        restored: context.rescue?.plan
                          ? { ...event.output, lost: [], finished: [], poison: [] }
                          : event.output,
                      }),
                    },
                  },
                  {
                    target: 'looked',
                    actions: { type: 'keepRestored', params: ({ event }) => ({ restored: event.output }) },
                  },
                ],
                // What is lost still is found by the next pass; the counters are another matter.
                onError: {
                  target: 'looked',
                  actions: {
                    type: 'report',
                    params: ({ event }) => ({ where: 'looking for lost entries', error: event.error }),
                  },
                },
              },
            },
            awaitingSecondLook: { after: { secondLook: 'looking' } },
            looked: { type: 'final' },
          },
          onDone: { target: 'idle', actions: ['completeRescue', 'endPasses'] },
        },
        stopping: {
          entry: 'stopPools',
          always: { guard: 'areSlotsFree', target: 'stopped' },
        },
        stopped: { type: 'final', entry: 'refuseRescues' },
      },
    },
    lease: {
      initial: 'off',
      states: {
        off: {
          always: [
            { guard: 'isEverythingStopped', target: 'over' },
            { guard: 'wantsLease', target: 'shared' },
          ],
        },
        shared: {
          initial: 'asking',
          always: { guard: 'isEverythingStopped', target: 'over' },
          states: {
            asking: {
              invoke: {
                id: 'acquireLease',
                src: 'acquireLease',
                input: ({ context }) => ({ fence: context.term?.fence }),
                onDone: [
                  {
                    guard: { type: 'isOtherTerm', params: ({ event }) => ({ term: event.output }) },
                    target: 'told',
                    actions: [
                      { type: 'recordTerm', params: ({ event }) => ({ term: event.output }) },
                      'giveUpFenced',
                      'timeGrace',
                      'endPasses',
                      raise({ type: 'lease.changed' }),
                    ],
                  },
                  {
                    target: 'told',
                    actions: { type: 'recordTerm', params: ({ event }) => ({ term: event.output }) },
                  },
                ],
                onError: {
                  target: 'told',
                  actions: { type: 'countLeaseFailure', params: ({ event }) => ({ error: event.error }) },
                },
              },
            },
            // One that could not be renewed is held as far as this host knows; whether it is, Redis tells each act.
            told: { always: [{ guard: 'holdsLease', target: 'holding' }, { target: 'watching' }] },
            holding: { after: { leaseRenewal: 'asking' } },
            watching: { after: { leaseRenewal: 'asking' } },
          },
        },
        over: { type: 'final' },
      },
    },
    life: {
      initial: 'running',
      states: {
        running: { on: { stop: { target: 'stopping', actions: ['stop', 'endPasses'] } } },
        stopping: { type: 'final' },
      },
    },
  },
});

const areLanesIdle = ({ idle, lanes }: SupervisorContext) => idle.length >= lanes;

const withTally = (sweep: SweepResult | undefined, tally: Tally): SweepResult | undefined =>
  sweep === undefined ? undefined : { ...sweep, tally: addTally(sweep.tally, tally) };

/** The first reason is kept: others are about the same refusal. */
const withRefusal = (sweep: SweepResult | undefined, suspended: string | undefined): SweepResult | undefined =>
  sweep === undefined || suspended === undefined || sweep.suspended !== undefined ? sweep : { ...sweep, suspended };

const slotsOf = (count: number) => Array.from({ length: count }, (_, i) => `pool-${i}`);

const emptyRescue = ({ number, plan }: RescueRequest): RescueResult => ({
  number,
  plan,
  alive: 0,
  clockAhead: 0,
  suspects: 0,
  pools: { rescued: 0, cleaned: 0, alive: 0, planned: 0, abandoned: 0 },
  entries: 0,
  lost: 0,
  unobserved: [],
  undecided: 0,
  oldestUndecidedS: 0,
  finished: 0,
  quarantined: 0,
  drift: [],
  changes: [],
  unreadable: [],
});

/** Only the pass that was begun last is not complete. */
const updateOpen = (passes: readonly Pass[], update: (pass: Pass) => Pass): readonly Pass[] =>
  passes.map((pass) => (pass.isComplete ? pass : update(pass)));

/** The passes after the end of pools, each reported by those that have to. */
const withEnds = (
  passes: readonly Pass[],
  ends: readonly { readonly pool: WaitingPool; readonly outcome: PoolOutcome }[],
): readonly Pass[] => {
  const after = new Map(passes.map((pass) => [pass.id, pass]));
  const update = (ids: readonly number[], change: (pass: Pass) => Pass) => {
    for (const id of ids) {
      const pass = after.get(id);
      if (pass !== undefined) after.set(id, change({ ...pass, waitsFor: pass.waitsFor - 1 }));
    }
  };
  for (const { pool, outcome } of ends) {
    update(pool.reportedBy, (pass) => withOutcome(pass, outcome));
    update(pool.awaitedBy, (pass) => pass);
  }
  return [...after.values()];
};

const withOutcome = ({ result, ...pass }: Pass, outcome: PoolOutcome): Pass => ({
  ...pass,
  result: {
    ...result,
    pools: { ...result.pools, [outcome.outcome]: result.pools[outcome.outcome] + 1 },
    entries: result.entries + outcome.entries,
    quarantined: result.quarantined + outcome.quarantined,
    changes: [...result.changes, ...changesOfPool(outcome)],
    unreadable: union(result.unreadable, outcome.unreadable ?? []),
  },
});

const keepIn = (graces: readonly Grace[], isKept: (pool: WaitingPool) => boolean): readonly Grace[] =>
  graces.map((grace) => ({ ...grace, pools: grace.pools.filter(isKept) })).filter(({ pools }) => pools.length > 0);

/** How a pool ends whose actor has: it does not wait out another grace for a pass that is over by then. */
const endOf = (
  { isStopping, term }: SupervisorContext,
  output: PoolOutput,
  { input }: WaitingPool,
): PoolOutcome | { readonly again: PoolInput } => {
  if (!('again' in output)) return output;
  if (isStopping) return abandonedPool(output.again, new Error('stopped before it was confirmed dead'));
  // A caller may have asked for it since its actor began.
  const { fence } = input.suspect;
  const isFenced = fence !== undefined && fence.number !== term?.fence?.number;
  if (isFenced) return abandonedPool(output.again, new FencedError());
  return { again: { ...output.again, grace: input.grace, suspect: { ...output.again.suspect, fence } } };
};

/**
 * Takes in hand what a pass has found. A pool that is in hand already gets no second actor: it is left to the pass that has
 * it, unless a caller has asked for this one. What is looked at for a plan is not rescued, and what is rescued is no plan's.
 */
const takeInHand = (context: SupervisorContext, request: RescueRequest, found: readonly Suspect[]) => {
  const id = context.begun;
  const isAsked = request.number !== scheduledPass;
  const seen = new Map(found.map((suspect) => [suspect.pool, suspect]));
  const scheduled = new Set(context.passes.flatMap((pass) => (pass.result.number === scheduledPass ? [pass.id] : [])));
  const inHand = new Set<string>();
  /** Pass → how many of its pools this one reports instead. */
  const lost = new Map<number, number>();
  let [reported, awaited] = [0, 0];
  // Who asks for a shorter grace means the pools that wait already too; where it is none, they wait for `skipGraces`.
  const longestGrace = isAsked && request.grace ? request.grace : Number.POSITIVE_INFINITY;
  const take = (held: WaitingPool): WaitingPool => {
    const { plan, suspect } = held.input;
    const now = seen.get(suspect.pool);
    if (plan !== request.plan || now === undefined) return held;
    inHand.add(suspect.pool);
    const grace = Math.min(held.input.grace, longestGrace);
    const pool: WaitingPool =
      now.holdsEntries === suspect.holdsEntries && grace === held.input.grace
        ? held
        : {
            ...held,
            input: { ...held.input, grace, suspect: { ...suspect, holdsEntries: now.holdsEntries === true } },
          };
    if (!isAsked) return pool;
    const losers = plan ? [] : pool.reportedBy.filter((pass) => scheduled.has(pass));
    if (!plan && losers.length === 0) {
      awaited += 1;
      return { ...pool, awaitedBy: [...pool.awaitedBy, id] };
    }
    for (const pass of losers) lost.set(pass, (lost.get(pass) ?? 0) + 1);
    reported += 1;
    const reportedBy = [...pool.reportedBy.filter((pass) => !losers.includes(pass)), id];
    // It goes on for the caller when the lease is lost.
    return { ...pool, reportedBy, input: { ...pool.input, suspect: { ...pool.input.suspect, fence: undefined } } };
  };
  const waiting = context.graces.map((grace) => ({ ...grace, pools: grace.pools.map(take) }));
  const graces =
    longestGrace === Number.POSITIVE_INFINITY
      ? waiting
      : addToGraces(
          [],
          waiting.flatMap(({ pools }) => pools),
        );
  const suspects = context.suspects.map(take);
  const slotPools = Object.fromEntries(Object.entries(context.slotPools).map(([slot, pool]) => [slot, take(pool)]));
  const grace = request.grace ?? context.poolGrace;
  const fresh = found
    .filter(({ pool }) => !inHand.has(pool))
    .map((suspect): WaitingPool => {
      return { input: { suspect, plan: request.plan, grace }, since: suspect.at, reportedBy: [id], awaitedBy: [] };
    });
  reported += fresh.length;
  return {
    graces: grace === 0 ? graces : addToGraces(graces, fresh),
    suspects: grace === 0 ? byUrgency([...suspects, ...fresh]) : suspects,
    slotPools,
    passes: context.passes.map((pass): Pass => {
      const less = lost.get(pass.id) ?? 0;
      const [more, waits] = pass.id === id ? [reported, reported + awaited] : [-less, -less];
      return {
        ...pass,
        waitsFor: pass.waitsFor + waits,
        result: { ...pass.result, suspects: pass.result.suspects + more },
      };
    }),
  };
};

const union = (some: readonly string[], more: readonly string[]): readonly string[] => [...new Set([...some, ...more])];
