import {
  assign,
  type DoneActorEvent,
  type ErrorActorEvent,
  enqueueActions,
  fromPromise,
  sendParent,
  setup,
} from 'xstate';
import { type Fence, isSameTerm, type Mandate } from './lease.ts';
import { endsByPass } from './passEnds.ts';
import { PermanentError } from './permanent.ts';
import { withEntries, withoutSecondTry } from './plannedActs.ts';
import { poolsMachine } from './pools.ts';
import type { EndedPool, PoolsEvent, PoolsMessage } from './poolsSetup.ts';
import { reportsOf } from './rescueChanges.ts';
import { freeId, type PassId, type RescuePassOutput, rescuePassMachine } from './rescuePass.ts';
import { faultOf, type MandateChanged, type Poll, reported } from './types/reports.ts';
import {
  emptyRescue,
  type FindInput,
  type Found,
  type LivePool,
  type OrphansInput,
  type Recounted,
  type RecountInput,
  type RequeuedOrphans,
  type RescueRequest,
} from './types/rescue.ts';
import { abortedPass, type PassCancel, scheduledPass } from './types/sweep.ts';

export interface RescueInput {
  /** How many pools are worked on at the same time. */
  readonly poolSlots: number;
  /** How long a suspected pool may prove that it is alive, in ms. */
  readonly poolGrace: number;
  /** Change nothing: every pass is a plan. */
  readonly plan: boolean;
  /** The present mandate, for a rescue that replaces a crashed one. */
  readonly mandate?: Mandate | undefined;
  /** How many passes began before. */
  readonly begun?: number;
}

export type RescueEvent =
  | { type: 'rescue.now'; request: RescueRequest }
  | ({ type: 'rescue.cancel' } & PassCancel)
  | MandateChanged
  | { type: 'stop' }
  | PoolsMessage
  | (DoneActorEvent<Found> & { type: 'xstate.done.actor.find' })
  | (DoneActorEvent<Recounted> & { type: 'xstate.done.actor.recount' })
  | (DoneActorEvent<RequeuedOrphans> & { type: 'xstate.done.actor.requeueOrphans' })
  | (DoneActorEvent<RescuePassOutput> & { type: 'xstate.done.actor.*' })
  | (ErrorActorEvent & { type: `xstate.error.actor.${'find' | 'recount' | '*'}` });

export type RescueOutput = Pick<RescueContext, 'begun'>;

export interface RescueContext extends RescueInput {
  readonly mandate: Mandate | undefined;
  /** How many passes began: the first one scans all keys, and waits for another time than the later ones. */
  readonly begun: number;
  readonly requests: readonly RescueRequest[];
  /** What the present pass was asked for; undefined between passes. */
  readonly request: RescueRequest | undefined;
  /** The actor of the present pass. */
  readonly present: PassId;
  /** The fence of the term in which the present pass began; none for passes of callers. */
  readonly fence: Fence | undefined;
  /** The term in which a scheduled pass failed: it is tried again an interval later, or in the next term. */
  readonly failedIn: Fence | undefined;
  /** A stop waits for the present step. */
  readonly isStopping: boolean;
  /** Failures in a row to read the pools. */
  readonly failures: number;
  readonly types: readonly string[];
  readonly lists: Found['lists'];
  readonly live: readonly LivePool[];
  /** When the second try to requeue orphaned entries is due, in ms from the first one. */
  readonly secondTryIn: number;
  /** Pools that were removed, or proved alive, since the pools were read: what was read of them is older. */
  readonly endedSince: readonly string[];
  /** Actors of passes that are not complete. */
  readonly passes: readonly PassId[];
}

export const freshRescue = (input: RescueInput): RescueContext => ({
  ...input,
  mandate: input.mandate,
  begun: input.begun ?? 0,
  requests: [],
  request: undefined,
  present: 'pass-0',
  fence: undefined,
  failedIn: undefined,
  isStopping: false,
  failures: 0,
  types: [],
  lists: [],
  live: [],
  secondTryIn: 0,
  endedSince: [],
  passes: [],
});

/** Failures in a row to read the pools after which the pass is given up. */
const maxFailures = 6;
const unprovided = (name: string) => () => Promise.reject(new Error(`${name} was not provided`));

/** What the chart of a rescue uses: actors, delays, guards and actions. */
export const rescueSetup = setup({
  types: {
    context: {} as RescueContext,
    input: {} as RescueInput,
    events: {} as RescueEvent,
    output: {} as RescueOutput,
    children: {} as { pools: 'pools'; [pass: PassId]: 'rescuePass' },
  },
  actors: {
    pools: poolsMachine,
    rescuePass: rescuePassMachine,
    /** Ends when the heartbeat of a live pool has grown old: the next pass must not wait for its time then. */
    watch: fromPromise<void>(unprovided('watch')),
    find: fromPromise<Found, FindInput>(unprovided('find')),
    recount: fromPromise<Recounted, RecountInput>(unprovided('recount')),
    requeueOrphans: fromPromise<RequeuedOrphans, OrphansInput>(unprovided('requeueOrphans')),
  },
  delays: {
    // The reaper provides it: it knows the interval and the progress of other hosts.
    rescueDelay: 10_000,
    backoff: ({ context }) => 250 * 2 ** context.failures,
    secondTry: ({ context }) => context.secondTryIn,
  },
  guards: {
    isStopping: ({ context }) => context.isStopping,
    hasRequest: ({ context }) => !context.isStopping && context.requests.length > 0,
    hasMandate: ({ context }) => context.mandate !== undefined,
    isTermOver: ({ context }) => context.fence !== undefined && !isSameTerm(context.fence, context.mandate?.fence),
    isPresent: ({ context }, { number }: PassCancel) => context.request?.number === number,
    isSuspended: (_, { found }: { found: Found }) => found.suspended !== undefined,
    mayRetry: ({ context }, { error }: { error: unknown }) =>
      context.failures < maxFailures && !(error instanceof PermanentError),
    isTooEarly: ({ context }, { requeued }: { requeued: RequeuedOrphans }) =>
      !context.isStopping &&
      context.request?.number !== scheduledPass &&
      context.request?.grace !== 0 && // A caller without a grace does not wait. The next pass tries them again.
      requeued.dueInMs !== undefined,
    isPass: (_, { id }: { id: string }) => id.startsWith('pass-'),
    areAllPassesEnded: ({ context }) => context.passes.length === 0,
  },
  actions: {
    spawnPools: enqueueActions(({ enqueue, context }) => {
      const input = { slots: context.poolSlots, grace: context.poolGrace, fence: context.mandate?.fence };
      enqueue.spawnChild('pools', { id: 'pools', input });
    }),
    enqueueRequest: assign({
      requests: ({ context }, { request }: { request: RescueRequest }) => [
        ...context.requests,
        { ...request, plan: request.plan || context.plan },
      ],
    }),
    cancelPass: enqueueActions(({ enqueue, context, self }, { number }: PassCancel) => {
      const canceled = context.requests.find((request) => request.number === number);
      if (canceled !== undefined) {
        enqueue.assign({ requests: context.requests.filter((request) => request !== canceled) });
        enqueue.sendParent(reported({ type: 'rescue.ended', result: { ...emptyRescue(canceled), ...abortedPass } }));
      }
      // A pass that awaits its pools.
      const { children } = self.getSnapshot();
      const open = context.passes.find((id) => {
        const pass = children[id]?.getSnapshot();
        return pass?.status === 'active' && pass.context.result.number === number;
      });
      if (open === undefined) return;
      enqueue.sendTo(open, { type: 'aborted' });
      enqueue.sendTo('pools', { type: 'cancel', pass: open });
    }),
    recordMandate: enqueueActions(({ enqueue }, { mandate }: { mandate: Mandate | undefined }) => {
      enqueue.assign({ mandate });
      enqueue.sendTo('pools', { type: 'term.changed', fence: mandate?.fence });
    }),
    beginPass: enqueueActions(({ enqueue, context }) => {
      const scheduled = { number: scheduledPass, plan: context.plan, grace: undefined, thorough: context.begun === 0 };
      const [request = scheduled, ...rest] = context.requests;
      const pass = context.begun + 1;
      const id = freeId(context.passes);
      enqueue.assign({
        requests: rest,
        request,
        begun: pass,
        present: id,
        passes: [...context.passes, id],
        fence: request.number === scheduledPass ? context.mandate?.fence : undefined,
        failedIn: undefined,
        failures: 0,
        endedSince: [],
      });
      enqueue.spawnChild('rescuePass', { id, input: { pass, request } });
      enqueue.sendParent(reported({ type: 'rescue.started', request, pass }));
    }),
    keepFound: enqueueActions(({ enqueue, context }, { found }: { found: Found }) => {
      const { present, endedSince } = context;
      const request = context.request as RescueRequest;
      enqueue.assign({ failures: 0, types: found.types, lists: found.lists, live: found.live, endedSince: [] });
      enqueue.sendTo(present, { type: 'found', found });
      const adopt: PoolsEvent = {
        type: 'adopt',
        pass: { id: present, isAsked: request.number !== scheduledPass },
        request,
        found: found.suspects.filter(({ pool }) => !endedSince.includes(pool)),
      };
      enqueue.sendTo('pools', adopt);
    }),
    shareOut: enqueueActions(({ enqueue }, { gains, losses }: Extract<PoolsMessage, { type: 'pools.shared' }>) => {
      for (const [pass, share] of gains) enqueue.sendTo(pass as PassId, { type: 'adopted', share });
      for (const [pass, share] of losses) enqueue.sendTo(pass as PassId, { type: 'released', share });
    }),
    relayEnds: enqueueActions(({ enqueue }, { ends }: { ends: readonly EndedPool[] }) => {
      for (const [pass, message] of endsByPass(ends)) enqueue.sendTo(pass as PassId, message);
      enqueue.sendParent(
        reported(...ends.map(({ pool, outcome }) => ({ type: 'pool' as const, outcome, since: pool.since }))),
      );
    }),
    recordEnded: assign({
      endedSince: ({ context }, { ends }: { ends: readonly EndedPool[] }) => [
        ...context.endedSince,
        ...ends.flatMap(({ outcome: { pool, outcome } }) =>
          outcome === 'abandoned' || outcome === 'planned' ? [] : [pool],
        ),
      ],
    }),
    cutShort: enqueueActions(({ enqueue }, { passes }: { passes: readonly string[] }) => {
      for (const pass of passes) enqueue.sendTo(pass as PassId, { type: 'cutShort' });
    }),
    countFailure: enqueueActions(({ enqueue, context }, { error }: { error: unknown }) => {
      enqueue.assign({ failures: context.failures + 1, endedSince: [] });
      enqueue.sendParent(reported(faultOf('looking for dead pools', error)));
    }),
    failPass: enqueueActions(({ enqueue, context }, { error }: { error: unknown }) => {
      enqueue.assign({ failedIn: context.fence });
      enqueue.sendTo(context.present, { type: 'failed', error });
    }),
    // The other hosts have not done the shared pass either: it is tried again an interval later.
    suspendPass: enqueueActions(({ enqueue, context }, { found }: { found: Found }) => {
      enqueue.assign({ failedIn: context.fence });
      enqueue.sendTo(context.present, { type: 'suspended', reason: found.suspended });
    }),
    keepRecounted: enqueueActions(({ enqueue, context }, { recounted }: { recounted: Recounted }) => {
      enqueue.sendTo(context.present, { type: 'recounted', recounted });
    }),
    releasePools: enqueueActions(({ enqueue, context }) => {
      enqueue.sendTo('pools', { type: 'release', request: context.request as RescueRequest });
    }),
    keepRequeued: enqueueActions(({ enqueue, context }, params: { requeued: RequeuedOrphans }) => {
      const requeued = withoutSecondTry(params.requeued);
      enqueue.sendTo(context.present, { type: 'requeued', requeued });
      enqueue.sendParent(reported(...reportsOf(requeued)));
    }),
    // The second try of a plan finds again what the first one left in place. Of the acts of a plan, it does what was too early.
    keepFirstTry: enqueueActions(({ enqueue, context }, params: { requeued: RequeuedOrphans }) => {
      const { request } = context;
      const requeued = request?.plan
        ? { ...params.requeued, orphaned: [], finished: [], poison: [], acts: [] }
        : params.requeued;
      enqueue.assign({ request: request && withEntries(request, requeued.early), secondTryIn: requeued.dueInMs ?? 0 });
      enqueue.sendTo(context.present, { type: 'requeued', requeued });
      enqueue.sendParent(reported(...reportsOf(requeued)));
    }),
    recordStop: assign({ isStopping: true }),
    endSteps: enqueueActions(({ enqueue, context }) => {
      // A step that was cut short by a stop has not ended its pass.
      if (context.isStopping) enqueue.raise({ type: 'stop' });
      else enqueue.sendTo(context.present, { type: 'steps.ended' });
      enqueue.assign({ request: undefined, fence: undefined });
    }),
    endPass: enqueueActions(({ enqueue, context }, { id, output }: { id: string; output: RescuePassOutput }) => {
      enqueue.stopChild(id);
      enqueue.assign({ passes: context.passes.filter((pass) => pass !== id) });
      enqueue.sendParent(reported({ type: 'rescue.ended', ...output }));
    }),
    stopPools: enqueueActions(({ enqueue }) => enqueue.sendTo('pools', { type: 'stop' })),
    stopPasses: enqueueActions(({ enqueue, context, self }) => {
      const { children } = self.getSnapshot();
      // The last pools may have completed a pass just now.
      const open = context.passes.filter((pass) => children[pass]?.getSnapshot().status === 'active');
      for (const pass of open) enqueue.sendTo(pass, { type: 'stop' });
    }),
    refuseRequests: enqueueActions(({ enqueue, context }) => {
      const ends = context.requests.map((request) => ({
        type: 'rescue.ended' as const,
        result: { ...emptyRescue(request), error: 'the reaper is stopped' },
      }));
      if (ends.length > 0) enqueue.sendParent(reported(...ends));
      enqueue.assign({ requests: [] });
    }),
    report: sendParent((_, { where, error, ...more }: { where: string; error: unknown; poll?: Poll }) =>
      reported(faultOf(where, error, more)),
    ),
  },
});
