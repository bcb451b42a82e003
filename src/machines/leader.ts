import { assign, enqueueActions, fromPromise, sendParent, setup } from 'xstate';
import { finalOutput } from './finalOutput.ts';
import { type Fence, isSameTerm, type Term } from './lease.ts';
import { faultOf, type MandateChanged, reported } from './types/reports.ts';

export interface LeaderInput {
  /** Several hosts share one schedule: the host with the lease does the scheduled passes. */
  readonly sharesSchedule: boolean;
  /** The fence of the term that a predecessor held when it crashed. */
  readonly fence?: Fence | undefined;
}

export interface LeaderContext {
  readonly sharesSchedule: boolean;
  /** What Redis answered last; undefined before the first answer. */
  readonly term: Term | undefined;
  /** The fence that the next request renews. */
  readonly fence: Fence | undefined;
  /** Requests in a row that failed. */
  readonly failures: number;
}

/** The last term that this host knew. */
export interface LeaderOutput {
  readonly term: Term | undefined;
}

/**
 * Decides whether this host does the scheduled passes.
 *
 * 1. `starting`: goes to `off` where the host shares no schedule, else to `asking`.
 * 2. `off`: this host does its own passes, without a fence.
 * 3. `asking`: requests the lease, or renews it. The answer leads to `leading` or `following`. A request that fails changes
 *    nothing: a leader stays `leading`, because every act checks the fence in Redis.
 * 4. `leading`: holds the lease until the next renewal.
 * 5. `following`: another host leads; asks again after the same interval.
 * 6. `resigning`: after a `stop` while it held or requested the lease, gives up the lease.
 * 7. `resigned` (final).
 *
 * The supervisor receives each new mandate. The one with the old fencing token is void from then on.
 */
export const leaderMachine = setup({
  types: {
    context: {} as LeaderContext,
    input: {} as LeaderInput,
    events: {} as { type: 'stop' },
    output: {} as LeaderOutput,
  },
  actors: {
    acquireLease: fromPromise<Term, { fence: Fence | undefined }>(() =>
      Promise.reject(new Error('acquireLease was not provided')),
    ),
    resign: fromPromise<void>(() => Promise.reject(new Error('resign was not provided'))),
  },
  delays: {
    // The reaper provides the configured interval.
    leaseRenewal: 3_000,
  },
  guards: {
    sharesSchedule: ({ context }) => context.sharesSchedule,
    isLeader: (_, { term }: { term: Term }) => term.fence !== undefined,
    holdsFence: ({ context }) => context.fence !== undefined,
  },
  actions: {
    reportOwnSchedule: sendParent((): MandateChanged => ({ type: 'mandate.changed', mandate: { fence: undefined } })),
    recordTerm: enqueueActions(({ enqueue, context }, { term }: { term: Term }) => {
      const { term: before } = context;
      enqueue.assign({ term, fence: term.fence, failures: 0 });
      const holds = term.fence !== undefined;
      if (before === undefined || (before.fence !== undefined) !== holds || before.host !== term.host) {
        enqueue.sendParent(reported({ type: 'leader', holds, host: term.host }));
      }
      if (isSameTerm(context.fence, term.fence)) return;
      enqueue.sendParent({
        type: 'mandate.changed',
        mandate: term.fence && { fence: term.fence },
      } satisfies MandateChanged);
    }),
    // A lost connection is reported by the connection itself, so a failure is reported once until a request succeeds.
    countFailure: enqueueActions(({ enqueue, context }, { error }: { error: unknown }) => {
      enqueue.assign({ failures: context.failures + 1 });
      if (context.failures > 0) return;
      enqueue.sendParent(reported(faultOf('asking for the lease', error, { poll: 'lease' })));
    }),
    forgetFence: assign({ fence: undefined }),
  },
}).createMachine({
  id: 'leader',
  description: 'Decides whether this host does the scheduled passes.',
  context: ({ input }) => ({
    sharesSchedule: input.sharesSchedule,
    term: undefined,
    fence: input.fence,
    failures: 0,
  }),
  output: finalOutput<LeaderOutput>,
  initial: 'starting',
  states: {
    starting: {
      description: 'Chooses between a schedule of its own and a shared one.',
      always: [
        { guard: 'sharesSchedule', target: 'asking' },
        { target: 'off', actions: 'reportOwnSchedule' },
      ],
    },
    off: {
      description: 'This host shares no schedule: it does its own passes without a lease.',
      on: { stop: 'resigned' },
    },
    asking: {
      description: 'Requests the lease, or renews it.',
      invoke: {
        id: 'acquireLease',
        src: 'acquireLease',
        input: ({ context }) => ({ fence: context.fence }),
        onDone: [
          {
            guard: { type: 'isLeader', params: ({ event }) => ({ term: event.output }) },
            target: 'leading',
            actions: { type: 'recordTerm', params: ({ event }) => ({ term: event.output }) },
          },
          {
            target: 'following',
            actions: { type: 'recordTerm', params: ({ event }) => ({ term: event.output }) },
          },
        ],
        onError: [
          {
            guard: 'holdsFence',
            target: 'leading',
            actions: { type: 'countFailure', params: ({ event }) => ({ error: event.error }) },
          },
          {
            target: 'following',
            actions: { type: 'countFailure', params: ({ event }) => ({ error: event.error }) },
          },
        ],
      },
      on: { stop: 'resigning' },
    },
    leading: {
      description: 'This host does the scheduled passes of all hosts, until the next renewal.',
      after: { leaseRenewal: 'asking' },
      on: { stop: 'resigning' },
    },
    following: {
      description: 'Another host does the scheduled passes; this one asks again later.',
      after: { leaseRenewal: 'asking' },
      on: { stop: 'resigned' },
    },
    resigning: {
      description: 'Gives the lease up, so that another host can lead at once.',
      invoke: {
        id: 'resign',
        src: 'resign',
        // A lease that cannot be given up expires by itself.
        onDone: { target: 'resigned', actions: 'forgetFence' },
        onError: { target: 'resigned', actions: 'forgetFence' },
      },
    },
    resigned: {
      type: 'final',
      description: 'The supervisor has stopped this leader.',
      output: ({ context }) => ({ term: context.term }),
    },
  },
});
