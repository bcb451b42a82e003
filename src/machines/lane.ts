import { assign, type DoneActorEvent, sendParent, setup } from 'xstate';
import { jobMachine } from './job.ts';
import { messageOf } from './messageOf.ts';
import type { JobInput, JobOutcome } from './types/job.ts';
import { judge } from './verdict.ts';

export type LaneEvent = { type: 'take'; input: JobInput };
/** What a lane sends to the sweep when it can take another job. */
export interface LaneFreed {
  readonly type: 'lane.freed';
  readonly lane: string;
  readonly outcome: JobOutcome;
}

export interface LaneContext {
  readonly id: string;
  readonly input: JobInput | undefined;
}

/**
 * A place in which one job acts at a time. The number of lanes bounds the concurrency of a sweep.
 *
 * 1. `idle`: waits for `take`.
 * 2. `working`: invokes the job's actor, and is `idle` again when that has ended.
 *
 * Lanes are few and live as long as the sweep: xstate never frees what it keeps for a distinct child id.
 */
export const laneMachine = setup({
  types: {
    context: {} as LaneContext,
    input: {} as { id: string },
    events: {} as LaneEvent,
  },
  actors: { job: jobMachine },
  actions: {
    free: sendParent(
      ({ context }, params: { outcome: JobOutcome }): LaneFreed => ({
        type: 'lane.freed',
        lane: context.id,
        outcome: params.outcome,
      }),
    ),
    clear: assign({ input: undefined }),
  },
}).createMachine({
  id: 'lane',
  description: 'A place in which one job acts at a time.',
  context: ({ input }) => ({ id: input.id, input: undefined }),
  initial: 'idle',
  states: {
    idle: {
      description: 'Waits for a job.',
      on: { take: { target: 'working', actions: assign({ input: ({ event }) => event.input }) } },
    },
    working: {
      description: 'Runs the actor of one job.',
      invoke: {
        id: 'job',
        src: 'job',
        input: ({ context }) => context.input as JobInput,
        onDone: {
          target: 'idle',
          actions: [
            { type: 'free', params: ({ event }: { event: DoneActorEvent<JobOutcome> }) => ({ outcome: event.output }) },
            'clear',
          ],
        },
        // A job ends in `abandoned` when its act fails. Only a fault of the job's chart itself arrives here.
        onError: {
          target: 'idle',
          actions: [
            {
              type: 'free',
              params: ({ context, event }) => ({ outcome: broken(context.input as JobInput, event.error) }),
            },
            'clear',
          ],
        },
      },
    },
  },
});

const broken = ({ job, policy }: JobInput, error: unknown): JobOutcome => {
  const { verdict, reason, rule } = judge(job.facts, policy);
  return { id: job.facts.id, verdict, reason, rule, outcome: 'abandoned', facts: job.facts, error: messageOf(error) };
};
