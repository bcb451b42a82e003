import {
  assign,
  type DoneActorEvent,
  type ErrorActorEvent,
  enqueueActions,
  fromPromise,
  setup,
  stopChild,
} from 'xstate';
import type { TrackedJob } from './facts.ts';
import { type LaneFreed, laneMachine } from './lane.ts';
import { type Fence, FencedError, isSameTerm, type Mandate } from './lease.ts';
import { PermanentError } from './permanent.ts';
import { RefusedError } from './refusal.ts';
import { withError, withLimit, withNotFound, withRefusal, withSuspension, withTally } from './sweepResult.ts';
import { emptyTally, tallyOf } from './tally.ts';
import type { JobOutcome } from './types/job.ts';
import { faultOf, type MandateChanged, reported } from './types/reports.ts';
import {
  abortedPass,
  type JudgedPage,
  type JudgeInput,
  type PageInput,
  type PageToJudge,
  type PassCancel,
  type SweepRequest,
  type SweepResult,
  scheduledPass,
} from './types/sweep.ts';
import type { Policy } from './verdict.ts';

export interface SweepInput {
  readonly policy: Policy;
  /** How many jobs may act at the same time. */
  readonly lanes: number;
  /** Judge and change nothing: every sweep is a plan. */
  readonly plan: boolean;
  /** The present mandate, for a sweep that replaces a crashed one. */
  readonly mandate?: Mandate | undefined;
  /** How many sweeps began before. */
  readonly begun?: number;
}

export type SweepEvent =
  | { type: 'sweep.now'; request: SweepRequest }
  | ({ type: 'sweep.cancel' } & PassCancel)
  | MandateChanged
  | { type: 'stop' }
  | LaneFreed
  | (DoneActorEvent<JudgedPage> & { type: 'xstate.done.actor.judgePage' })
  | (ErrorActorEvent & { type: 'xstate.error.actor.judgePage' })
  | { type: 'xstate.done.actor.completePass' }
  | (ErrorActorEvent & { type: 'xstate.error.actor.completePass' })
  | (ErrorActorEvent & { type: 'xstate.error.actor.*' });

export interface SweepOutput {
  /** How many sweeps began. */
  readonly begun: number;
}

export interface SweepContext extends SweepInput {
  readonly mandate: Mandate | undefined;
  /** How many sweeps began: the first scheduled one waits for another time than the later ones. */
  readonly begun: number;
  readonly requests: readonly SweepRequest[];
  /** What the present sweep has done by now; undefined between sweeps. */
  readonly pass: SweepResult | undefined;
  /** The fence of the term in which the present sweep began; none for sweeps of callers. */
  readonly fence: Fence | undefined;
  /** The term in which a scheduled sweep failed: it is tried again an interval later, or in the next term. */
  readonly failedIn: Fence | undefined;
  /** Pages of the present sweep that were read. */
  readonly pages: number;
  /** Failures in a row of the present page. */
  readonly failures: number;
  readonly page: PageToJudge;
  /** On how many jobs the present sweep may still act; undefined without a limit. */
  readonly actsLeft: number | undefined;
  /** Jobs of the page that have to act and have no lane yet. */
  readonly acting: readonly TrackedJob[];
  /** Lanes that work or can work. */
  readonly lanes: number;
  /** Those that have worked come first. */
  readonly idle: readonly string[];
  /** How many lanes were spawned: the others are at their first jobs. */
  readonly spawned: number;
  /** Crashes of lanes, all together. */
  readonly laneFaults: number;
}

/** Lanes that are spawned before their first jobs. */
const lanesAtFirst = 32;
type LaneId = `lane-${number}`;
const laneId = (i: number): LaneId => `lane-${i}`;
const noPage: PageToJudge = { jobs: [], isLast: false };

export const freshSweep = (input: SweepInput): SweepContext => ({
  ...input,
  mandate: input.mandate,
  begun: input.begun ?? 0,
  requests: [],
  pass: undefined,
  fence: undefined,
  failedIn: undefined,
  pages: 0,
  failures: 0,
  page: noPage,
  actsLeft: undefined,
  acting: [],
  idle: Array.from({ length: input.lanes }, (_, i) => laneId(i)),
  spawned: Math.min(input.lanes, lanesAtFirst),
  laneFaults: 0,
});

const areLanesIdle = ({ idle, lanes }: SweepContext): boolean => idle.length >= lanes;

/** Failures in a row of a page after which the sweep is given up. */
const maxFailures = 6;
/** Crashes of lanes, all together, after which a lane is not replaced: only a fault of a chart crashes a lane. */
const maxLaneFaults = 64;
const unprovided = (name: string) => () => Promise.reject(new Error(`${name} was not provided`));
/** What the chart of a sweep uses: actors, delays, guards and actions. */
export const sweepSetup = setup({
  types: {
    context: {} as SweepContext,
    input: {} as SweepInput,
    events: {} as SweepEvent,
    output: {} as SweepOutput,
    children: {} as { [lane: LaneId]: 'lane'; judgePage: 'judgePage'; completePass: 'completePass' },
  },
  actors: {
    lane: laneMachine,
    readPage: fromPromise<PageToJudge, PageInput>(unprovided('readPage')),
    judgePage: fromPromise<JudgedPage, JudgeInput>(unprovided('judgePage')),
    completePass: fromPromise<void, { fence: Fence }>(unprovided('completePass')),
  },
  delays: {
    // The reaper provides it: it knows the interval, the jitter and the progress of other hosts.
    sweepDelay: 3_600_000,
    backoff: ({ context }) => 250 * 2 ** context.failures,
  },
  guards: {
    hasRequest: ({ context }) => context.requests.length > 0,
    hasMandate: ({ context }) => context.mandate !== undefined,
    isTermOver: ({ context }, { mandate }: { mandate: Mandate | undefined }) =>
      context.fence !== undefined && !isSameTerm(context.fence, mandate?.fence),
    isSuspended: ({ context }) => context.pass?.suspended !== undefined,
    isPresent: ({ context }, { number }: PassCancel) => context.pass?.number === number,
    isLane: (_, { id }: { id: string }) => id.startsWith('lane-'),
    isRefused: (_, { error }: { error: unknown }) => error instanceof RefusedError,
    mayRetry: ({ context }, { error }: { error: unknown }) =>
      context.failures < maxFailures && !(error instanceof FencedError) && !(error instanceof PermanentError),
    canAssign: ({ context }) => context.acting.length > 0 && context.idle.length > 0,
    isAssigned: ({ context }) => context.acting.length === 0,
    isLastPage: ({ context }) => context.page.isLast || context.actsLeft === 0,
    areLanesIdle: ({ context }) => areLanesIdle(context),
    // Only a scheduled sweep of several hosts has a fence.
    mustComplete: ({ context }) =>
      areLanesIdle(context) &&
      context.fence !== undefined &&
      context.pass?.error === undefined &&
      context.pass?.suspended === undefined,
  },
  actions: {
    spawnLanes: enqueueActions(({ enqueue, context }) => {
      const ids = context.idle.slice(0, context.spawned);
      for (const id of ids) enqueue.spawnChild('lane', { id: id as LaneId, input: { id } });
    }),
    replaceLane: enqueueActions(({ enqueue, context }, { id, error }: { id: string; error: unknown }) => {
      enqueue.stopChild(id);
      enqueue.sendParent(reported(faultOf(id, error, { isCrash: true })));
      enqueue.assign({ laneFaults: context.laneFaults + 1 });
      if (context.laneFaults < maxLaneFaults) {
        enqueue.spawnChild('lane', { id: id as LaneId, input: { id } });
        enqueue.assign({ idle: context.idle.includes(id) ? context.idle : [...context.idle, id] });
      } else {
        enqueue.assign({ lanes: context.lanes - 1, idle: context.idle.filter((other) => other !== id) });
      }
    }),
    enqueueRequest: assign({
      requests: ({ context }, { request }: { request: SweepRequest }) => [
        ...context.requests,
        { ...request, plan: request.plan || context.plan },
      ],
    }),
    cancelRequest: enqueueActions(({ enqueue, context }, { number }: PassCancel) => {
      const canceled = context.requests.find((request) => request.number === number);
      if (canceled === undefined) return;
      enqueue.assign({ requests: context.requests.filter((request) => request !== canceled) });
      const result = { ...canceled, tally: emptyTally, ...abortedPass };
      enqueue.sendParent(reported({ type: 'sweep.ended', result }));
    }),
    recordMandate: assign({ mandate: (_, { mandate }: { mandate: Mandate | undefined }) => mandate }),
    beginSweep: enqueueActions(({ enqueue, context }) => {
      const [request = { number: scheduledPass, plan: context.plan }, ...rest] = context.requests;
      enqueue.assign({
        requests: rest,
        begun: context.begun + 1,
        pass: { ...request, tally: emptyTally },
        fence: request.number === scheduledPass ? context.mandate?.fence : undefined,
        failedIn: undefined,
        pages: 0,
        failures: 0,
        actsLeft: request.scope?.limit,
      });
      enqueue.sendParent(reported({ type: 'sweep.started', request }));
    }),
    keepPage: assign({
      page: (_, { page }: { page: PageToJudge }) => page,
      pages: ({ context }) => context.pages + 1,
      failures: 0,
      pass: ({ context }, { page }: { page: PageToJudge }) => withNotFound(context.pass, page.notFound),
    }),
    keepJudged: assign({
      acting: (_, { judged }: { judged: JudgedPage }) => judged.acting,
      pass: ({ context }, { judged }: { judged: JudgedPage }) =>
        withSuspension(withLimit(withTally(context.pass, judged.tally), leftOf(context, judged)), judged.suspended),
      actsLeft: ({ context }, { judged }: { judged: JudgedPage }) => leftOf(context, judged),
      failedIn: ({ context }, { judged }: { judged: JudgedPage }) =>
        judged.suspended === undefined ? context.failedIn : context.fence,
    }),
    countJudged: assign({
      pass: ({ context }, { judged }: { judged: JudgedPage }) => withTally(context.pass, judged.tally),
    }),
    assignJobs: enqueueActions(({ enqueue, context }) => {
      const count = Math.min(context.idle.length, context.acting.length);
      let { spawned } = context;
      for (let i = 0; i < count; i++) {
        const job = context.acting[i] as TrackedJob;
        const id = context.idle[i] as LaneId;
        // Only when it is needed: xstate copies all children at each spawn and stop, a second for a thousand of them.
        if (id === laneId(spawned)) {
          enqueue.spawnChild('lane', { id, input: { id } });
          spawned += 1;
        }
        enqueue.sendTo(id, {
          type: 'take',
          input: { job, policy: context.policy, plan: false, scope: context.pass?.scope },
        });
      }
      enqueue.assign({ spawned, idle: context.idle.slice(count), acting: context.acting.slice(count) });
    }),
    recordOutcome: enqueueActions(({ enqueue, context }, { lane, outcome }: { lane: string; outcome: JobOutcome }) => {
      const pass = withTally(context.pass, tallyOf(outcome));
      enqueue.assign({ idle: [lane, ...context.idle], pass });
      if (outcome.isRefused === true) {
        enqueue.assign({
          pass: withSuspension(pass, { code: outcome.code ?? 'suspended', message: outcome.error ?? '' }),
          acting: [],
          failedIn: context.fence,
        });
      }
      enqueue.sendParent(reported({ type: 'job', outcome }));
    }),
    countFailure: enqueueActions(({ enqueue, context }, { error }: { error: unknown }) => {
      enqueue.assign({ failures: context.failures + 1 });
      enqueue.sendParent(reported(faultOf('reading a page', error)));
    }),
    failSweep: assign({
      pass: ({ context }, { error }: { error: unknown }) => withError(context.pass, error),
      failedIn: ({ context }) => context.fence,
    }),
    // The other hosts have not done the shared sweep either: it is tried again an interval later.
    suspendSweep: assign({
      pass: ({ context }, { error }: { error: unknown }) => withRefusal(context.pass, error),
      failedIn: ({ context }) => context.fence,
    }),
    // Spawned, not invoked: it continues when the state changes.
    recordEnd: enqueueActions(({ enqueue, context }) => {
      if (context.fence === undefined) return;
      enqueue.spawnChild('completePass', { id: 'completePass', input: { fence: context.fence } });
    }),
    forgetRecord: stopChild('completePass'),
    cutShort: assign({
      pass: ({ context }) => context.pass && { ...context.pass, error: 'stopped before its end' },
      acting: [],
    }),
    abortSweep: assign({
      pass: ({ context }) => context.pass && { ...context.pass, ...abortedPass },
      acting: [],
    }),
    endSweep: enqueueActions(({ enqueue, context }) => {
      if (context.pass !== undefined) enqueue.sendParent(reported({ type: 'sweep.ended', result: context.pass }));
      enqueue.assign({ pass: undefined, fence: undefined, page: noPage, acting: [] });
    }),
    refuseRequests: enqueueActions(({ enqueue, context }) => {
      const ends = context.requests.map((request) => ({
        type: 'sweep.ended' as const,
        result: { ...request, tally: emptyTally, error: 'the reaper is stopped' },
      }));
      if (ends.length > 0) enqueue.sendParent(reported(...ends));
      enqueue.assign({ requests: [] });
    }),
  },
});

const leftOf = ({ actsLeft }: SweepContext, { acts }: JudgedPage): number | undefined =>
  actsLeft === undefined ? undefined : Math.max(0, actsLeft - acts);
