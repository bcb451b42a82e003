import { assign, type DoneActorEvent, type ErrorActorEvent, fromPromise, setup } from 'xstate';
import type { Facts, TrackedJob } from './facts.ts';
import { FencedError } from './lease.ts';
import { RefusedError } from './refusal.ts';
import { type Judgement, judge, type Policy, type Reason, type Verdict } from './verdict.ts';

/**
 * How a job's walk ended. `done`: the act is in Redis. `queued`: its hook is noted, to be sent. `parked`: this very change
 * has been given up for its receiver, until the job changes or a person says so. `deferred`: too many hooks wait already;
 * the next sweep finds the job. `planned`: it would have been done. `overtaken`: the job moved twice while it was judged.
 * `fenced`: another host has taken over meanwhile, and finds the job. `abandoned`: the act failed for good.
 */
export type JobEnd = 'kept' | 'done' | HookEnd | 'planned' | 'overtaken' | 'fenced' | 'abandoned';
/** What becomes of a hook when it is noted. */
export type HookEnd = 'queued' | 'parked' | 'deferred';

/** What was decided on a job, why, from which facts, and what became of it. */
export interface JobOutcome {
  readonly id: string;
  readonly verdict: Verdict;
  readonly reason: Reason;
  readonly rule: number;
  readonly detail?: string | undefined;
  readonly outcome: JobEnd;
  readonly facts: Facts;
  readonly error?: string;
  /** It was abandoned since Redis refuses writes: the sweep ends with it, and the next one finds the job. */
  readonly isRefused?: boolean;
}

export interface JobInput {
  readonly job: TrackedJob;
  readonly policy: Policy;
  /** Judge and change nothing. */
  readonly plan: boolean;
  /**
   * For a refire: what became of its hook, where the hooks of its page have been noted together. In a plan: why nothing
   * would be sent.
   */
  readonly hook?: HookEnd | undefined;
}

/** What Redis says to an act: that the job is not as it was judged, or that it is done (or what becomes of its hook). */
export type ActReply = 'done' | HookEnd | 'overtaken';
export interface ActInput {
  readonly job: TrackedJob;
  readonly judgement: Judgement;
}

export interface JobContext extends JobInput {
  readonly judgement: Judgement | undefined;
  readonly reloaded: boolean;
  readonly end: JobEnd;
  readonly isRefused: boolean;
  readonly error: string | undefined;
}

const act = fromPromise<ActReply, ActInput>(() => Promise.reject(new Error('an act was not provided')));

/**
 * One scanned job.
 *
 * `tracking` takes the facts that came with the page; a job that was overtaken comes back here once, and its facts are
 * read again in `loading`.
 * `compare` judges them: a job with nothing to do ends in `kept` (in the actor's first tick), a plan in `planned`, or in
 * `parked` or `deferred` where a refire would. A
 * refire whose hook was noted together with all others of its page ends there too: in `settled`, `parked` or `deferred`,
 * as it was noted. Every other verdict enters the state of its name: `fail`, `refire`, `reset` or `untrack`. Each of these
 * invokes one act, which Redis does only if the job is as it was judged (a hook is looked at again when it is sent). Done,
 * it ends in `settled`; overtaken for the first time, it goes back to `tracking`, for the second time it ends in
 * `overtaken`; refused since another host has the lease by now, it ends in `fenced`; failed, it ends in `abandoned`, and
 * says whether that was since Redis takes no writes.
 */
export const jobMachine = setup({
  types: {
    context: {} as JobContext,
    input: {} as JobInput,
    output: {} as JobOutcome,
  },
  actors: {
    load: fromPromise<TrackedJob, { id: string }>(() => Promise.reject(new Error('load was not provided'))),
    fail: act,
    refire: act,
    reset: act,
    untrack: act,
  },
  guards: {
    isTaken: ({ context }) => !context.reloaded,
    isVerdict: ({ context }, params: { verdict: Verdict }) => context.judgement?.verdict === params.verdict,
    isPlan: ({ context }) => context.plan,
    isQueued: ({ context }) => context.end === 'queued',
    isParked: ({ context }) => context.end === 'parked',
    isDeferred: ({ context }) => context.end === 'deferred',
    isOvertaken: (_, params: { reply: ActReply }) => params.reply === 'overtaken',
    isOvertakenAgain: ({ context }, params: { reply: ActReply }) => params.reply === 'overtaken' && context.reloaded,
    isFenced: (_, params: { error: unknown }) => params.error instanceof FencedError,
    isRefused: (_, params: { error: unknown }) => params.error instanceof RefusedError,
  },
  actions: {
    // The hook was noted for what the job was at the first look. One assignment, for most jobs do no more than this.
    judge: assign(({ context: { job, policy, hook, reloaded } }) => {
      const judgement = judge(job.facts, policy);
      return { judgement, end: judgement.verdict === 'refire' && !reloaded && hook !== undefined ? hook : 'kept' };
    }),
    replaceFacts: assign({
      job: ({ context }, params: { job: TrackedJob }) => ({ ...params.job, fence: context.job.fence }),
    }),
    markReloaded: assign({ reloaded: true }),
    markRefused: assign({ isRefused: true }),
    end: assign({ end: (_, params: { end: JobEnd }) => params.end }),
    keepError: assign({ error: (_, params: { error: unknown }) => messageOf(params.error) }),
  },
}).createMachine({
  id: 'job',
  // Field by field: a spread of the input costs more than the rest of this object.
  context: ({ input }) => ({
    job: input.job,
    policy: input.policy,
    plan: input.plan,
    hook: input.hook,
    judgement: undefined,
    reloaded: false,
    end: 'kept',
    isRefused: false,
    error: undefined,
  }),
  output: ({ context }) => outcomeOf(context),
  initial: 'tracking',
  states: {
    tracking: {
      always: [{ guard: 'isTaken', target: 'compare' }, { target: 'loading' }],
    },
    loading: {
      invoke: {
        id: 'load',
        src: 'load',
        input: ({ context }) => ({ id: context.job.facts.id }),
        onDone: {
          target: 'compare',
          actions: { type: 'replaceFacts', params: ({ event }) => ({ job: event.output }) },
        },
        onError: {
          target: 'abandoned',
          actions: { type: 'keepError', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    compare: {
      entry: 'judge',
      always: [
        { guard: { type: 'isVerdict', params: { verdict: 'kept' } }, target: 'kept' },
        { guard: 'isParked', target: 'parked' },
        { guard: 'isDeferred', target: 'deferred' },
        { guard: 'isPlan', target: 'planned' },
        { guard: 'isQueued', target: 'settled' },
        { guard: { type: 'isVerdict', params: { verdict: 'fail' } }, target: 'fail' },
        { guard: { type: 'isVerdict', params: { verdict: 'refire' } }, target: 'refire' },
        { guard: { type: 'isVerdict', params: { verdict: 'reset' } }, target: 'reset' },
        { target: 'untrack' },
      ],
    },
    fail: { invoke: acting('fail') },
    refire: { invoke: acting('refire') },
    reset: { invoke: acting('reset') },
    untrack: { invoke: acting('untrack') },
    kept: { type: 'final' },
    planned: { type: 'final', entry: { type: 'end', params: { end: 'planned' } } },
    parked: { type: 'final' },
    deferred: { type: 'final' },
    settled: { type: 'final' },
    overtaken: { type: 'final', entry: { type: 'end', params: { end: 'overtaken' } } },
    fenced: { type: 'final', entry: { type: 'end', params: { end: 'fenced' } } },
    abandoned: { type: 'final', entry: { type: 'end', params: { end: 'abandoned' } } },
  },
});

/** The four acts differ in what they do in Redis, and in nothing else. */
function acting<Src extends 'fail' | 'refire' | 'reset' | 'untrack'>(src: Src) {
  return {
    id: 'act',
    src,
    input: ({ context }: { context: JobContext }): ActInput => ({
      job: context.job,
      judgement: context.judgement as Judgement,
    }),
    onDone: [
      {
        guard: {
          type: 'isOvertakenAgain',
          params: ({ event }: { event: DoneActorEvent<ActReply> }) => ({ reply: event.output }),
        },
        target: 'overtaken',
      },
      {
        guard: {
          type: 'isOvertaken',
          params: ({ event }: { event: DoneActorEvent<ActReply> }) => ({ reply: event.output }),
        },
        target: 'tracking',
        actions: 'markReloaded',
      },
      {
        target: 'settled',
        actions: { type: 'end', params: ({ event }: { event: DoneActorEvent<ActReply> }) => ({ end: event.output }) },
      },
    ],
    onError: [
      {
        guard: { type: 'isFenced', params: ({ event }: { event: ErrorActorEvent }) => ({ error: event.error }) },
        target: 'fenced',
      },
      {
        guard: { type: 'isRefused', params: ({ event }: { event: ErrorActorEvent }) => ({ error: event.error }) },
        target: 'abandoned',
        actions: [
          'markRefused',
          { type: 'keepError', params: ({ event }: { event: ErrorActorEvent }) => ({ error: event.error }) },
        ],
      },
      {
        target: 'abandoned',
        actions: { type: 'keepError', params: ({ event }: { event: ErrorActorEvent }) => ({ error: event.error }) },
      },
    ],
  } as const;
}

const outcomeOf = ({ job, judgement, end, isRefused, error }: JobContext): JobOutcome => ({
  id: job.facts.id,
  verdict: judgement?.verdict ?? 'kept',
  reason: judgement?.reason ?? 'ongoing',
  rule: judgement?.rule ?? 0,
  detail: judgement?.detail,
  outcome: end,
  facts: job.facts,
  ...(error === undefined ? {} : { error }),
  ...(isRefused ? { isRefused } : {}),
});

/** An error as text, without its stack. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
