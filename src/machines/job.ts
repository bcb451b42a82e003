import { assign, type DoneActorEvent, type ErrorActorEvent, fromPromise, setup } from 'xstate';
import { codeOr } from '../errors.ts';
import type { TrackedJob } from './facts.ts';
import { finalOutput } from './finalOutput.ts';
import { FencedError } from './lease.ts';
import { messageOf } from './messageOf.ts';
import { RefusedError } from './refusal.ts';
import { movedFrom } from './scope.ts';
import type { ActInput, ActReply, JobEnd, JobInput, JobOutcome, MovedJob } from './types/job.ts';
import type { ActingVerdict, PlannedAct } from './types/scope.ts';
import { type Judgement, judge, type Verdict } from './verdict.ts';

export interface JobContext extends JobInput {
  readonly judgement: Judgement | undefined;
  /** How often the job was judged: it is read again once. */
  readonly judged: number;
  /** What Redis replied to the act, or to the page about the job's hook. */
  readonly reply: ActReply | undefined;
  /** Why the sweep must not act on it. */
  readonly moved: MovedJob | undefined;
  readonly error: unknown;
}

type Refused = 'refused';
type JobEvent =
  | (DoneActorEvent<ActReply> & { type: 'xstate.done.actor.act' })
  | (ErrorActorEvent & { type: 'xstate.error.actor.act' });

const act = fromPromise<ActReply, ActInput>(() => Promise.reject(new Error('an act was not provided')));

/**
 * One scanned job.
 *
 * 1. `tracking`: takes the facts that came with the page. A job that was overtaken comes back here once, and goes to
 *    `loading`, which reads its facts again.
 * 2. `compare`: judges the facts. A job with nothing to do ends in `keep`, in its actor's first tick. The hooks of a page are
 *    enqueued together: a job to refire asks its page for its own, and ends in `done` if the page has the reply. A plan
 *    ends in `planned`, unless the page says that the hook would not be enqueued, or could not be recorded: that ends in
 *    `abandoned`. A job that is not, or no longer, what the sweep was asked to act on ends in `keep` too, with the outcome
 *    `overtaken`.
 * 3. `acting`: `fail`, `refire`, `reset` or `untrack`, as the verdict says. Each invokes one act, which Redis does only if
 *    the job is as it was judged. The outcome is handled here for all four of them.
 * 4. Final: `done`, with what Redis replied; `overtaken` a second time; `fenced` without the lease; `refused`
 *    because Redis takes no writes; `abandoned` with another error.
 */
export const jobMachine = setup({
  types: {
    context: {} as JobContext,
    input: {} as JobInput,
    events: {} as JobEvent,
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
    isUnjudged: ({ context }) => context.judged === 0,
    isVerdict: ({ context: { judgement, moved } }, { verdict }: { verdict: Verdict }) =>
      (moved === undefined ? judgement?.verdict : 'keep') === verdict,
    isPlan: ({ context }) => context.plan,
    cannotAct: ({ context }) => context.error !== undefined,
    isAnswered: ({ context }) => context.reply !== undefined,
    mayJudgeAgain: ({ context }, { reply }: { reply: ActReply }) =>
      reply.outcome === 'overtaken' && context.judged === 1,
    isOvertaken: (_, { reply }: { reply: ActReply }) => reply.outcome === 'overtaken',
    isFenced: (_, { error }: { error: unknown }) => error instanceof FencedError,
    isRefused: (_, { error }: { error: unknown }) => error instanceof RefusedError,
  },
  actions: {
    // One assignment, because most jobs do no more than this. A job to refire asks its page what became of its hook.
    judge: assign(({ context }) => judgedBy(context, judge(context.job.facts, context.policy), context.judged + 1)),
    keepReply: assign({ reply: (_, { reply }: { reply: ActReply }) => reply }),
    replaceFacts: assign({
      job: ({ context: { job: before } }, { job }: { job: TrackedJob }) => ({
        ...job,
        fence: before.fence,
        pass: before.pass,
      }),
    }),
    keepError: assign({ error: (_, { error }: { error: unknown }) => error }),
  },
}).createMachine({
  id: 'job',
  description: 'One scanned job.',
  // Field by field: a spread of the input costs more than the rest of this object.
  context: ({ input }) => ({
    job: input.job,
    policy: input.policy,
    plan: input.plan,
    scope: input.scope,
    page: input.page,
    judgement: undefined,
    judged: 0,
    reply: undefined,
    moved: undefined,
    error: undefined,
  }),
  output: ({ context, event }) => outcomeOf(context, finalOutput({ event })),
  initial: 'tracking',
  states: {
    tracking: {
      description: 'Takes the facts that came with the page.',
      always: [{ guard: 'isUnjudged', target: 'compare' }, { target: 'loading' }],
    },
    loading: {
      description: 'The job changed while it was judged: reads its facts again.',
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
      description: 'Judges the facts; a job to refire asks its page for its hook.',
      entry: 'judge',
      always: [
        { guard: { type: 'isVerdict', params: { verdict: 'keep' } }, target: 'keep' },
        { guard: 'cannotAct', target: 'abandoned' },
        { guard: 'isAnswered', target: 'done' },
        { guard: 'isPlan', target: 'planned' },
        { guard: { type: 'isVerdict', params: { verdict: 'fail' } }, target: 'acting.fail' },
        { guard: { type: 'isVerdict', params: { verdict: 'refire' } }, target: 'acting.refire' },
        { guard: { type: 'isVerdict', params: { verdict: 'reset' } }, target: 'acting.reset' },
        { target: 'acting.untrack' },
      ],
    },
    acting: {
      description: 'One act.',
      initial: 'fail',
      states: {
        fail: { description: 'Sets the status to Error.', invoke: invoked('fail') },
        reset: { description: 'Resets the status to the acknowledged one.', invoke: invoked('reset') },
        untrack: { description: 'Removes the tracking record.', invoke: invoked('untrack') },
        refire: { description: 'Enqueues its hook.', invoke: invoked('refire') },
      },
      on: {
        'xstate.done.actor.act': [
          { guard: { type: 'mayJudgeAgain', params: replied }, target: 'tracking' },
          { guard: { type: 'isOvertaken', params: replied }, target: 'overtaken' },
          { target: 'done', actions: { type: 'keepReply', params: replied } },
        ],
        'xstate.error.actor.act': [
          { guard: { type: 'isFenced', params: failed }, target: 'fenced' },
          {
            guard: { type: 'isRefused', params: failed },
            target: 'refused',
            actions: { type: 'keepError', params: failed },
          },
          { target: 'abandoned', actions: { type: 'keepError', params: failed } },
        ],
      },
    },
    keep: {
      type: 'final',
      description: 'There was nothing to do.',
      output: ({ context }) => (context.moved === undefined ? 'kept' : 'overtaken'),
    },
    planned: { type: 'final', description: 'A plan: the job would have acted.', output: 'planned' },
    done: {
      type: 'final',
      description: 'The act is in Redis, or its hook is enqueued, already pending, parked or deferred.',
      output: ({ context }) => context.reply?.outcome,
    },
    overtaken: { type: 'final', description: 'The job changed twice while it was judged.', output: 'overtaken' },
    fenced: { type: 'final', description: 'The lease was lost: the new leader finds the job.', output: 'fenced' },
    refused: { type: 'final', description: 'Redis refuses writes: the sweep ends with it.', output: 'refused' },
    abandoned: { type: 'final', description: 'The act failed for good.', output: 'abandoned' },
  },
});

/** The four acts differ in what they do in Redis, and in nothing else. */
function invoked<Src extends 'fail' | 'refire' | 'reset' | 'untrack'>(src: Src) {
  return {
    id: 'act',
    src,
    input: ({ context }: { context: JobContext }): ActInput => ({
      job: context.job,
      judgement: context.judgement as Judgement,
    }),
  } as const;
}

function replied({ event }: { event: DoneActorEvent<ActReply> }) {
  return { reply: event.output };
}
function failed({ event }: { event: ErrorActorEvent }) {
  return { error: event.error };
}

const plannedActOf = ({ job, judgement }: JobContext): PlannedAct => {
  const { verdict, reason } = judgement as Judgement & { verdict: ActingVerdict };
  return { id: job.facts.id, verdict, reason, fingerprint: job.fingerprint() };
};

/** What a judgement says of a job to its context. */
export const judgedBy = (
  { job, page, plan, scope }: JobInput,
  judgement: Judgement,
  judged: number,
): Pick<JobContext, 'judgement' | 'judged' | 'reply' | 'moved' | 'error'> => {
  const moved = scope === undefined ? undefined : movedFrom(scope, job, judgement);
  const fault = plan && moved === undefined ? page?.faultOf(job) : undefined;
  return {
    judgement,
    judged,
    reply: judgement.verdict === 'refire' ? page?.replyTo(job) : undefined,
    moved,
    error: fault === undefined ? undefined : new Error(fault),
  };
};

/** What became of a job that has ended in the state with this output. */
export const outcomeOf = (context: JobContext, end: JobEnd | Refused): JobOutcome => {
  const { job, moved, error } = context;
  const { verdict, reason, rule, detail } = context.judgement as Judgement;
  const outcome: JobOutcome = {
    id: job.facts.id,
    verdict,
    reason,
    rule,
    detail,
    outcome: end === 'refused' ? 'abandoned' : end,
    facts: job.facts,
    endpoint: job.endpoint,
    act: end === 'planned' ? plannedActOf(context) : undefined,
    moved,
  };
  if (error === undefined) return outcome;
  const failure = { error: messageOf(error), code: codeOr(error, 'step-failed') };
  return { ...outcome, ...failure, ...(end === 'refused' ? { isRefused: true } : {}) };
};
