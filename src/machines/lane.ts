import { assign, type DoneActorEvent, sendParent, setup } from 'xstate';
import { type JobInput, type JobOutcome, jobMachine, messageOf } from './job.ts';
import { judge } from './verdict.ts';

export type LaneEvent = { type: 'take'; input: JobInput };
/** What a lane says to its supervisor when it has room again. */
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
 * A place where one job acts. `idle` until it is given a job by `take`, then `working`: it invokes that job's actor and
 * is idle again when the actor has ended. The number of lanes is the bound on concurrency.
 *
 * Lanes are few and live as long as the supervisor: each distinct child id would cost xstate memory for ever.
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
  context: ({ input }) => ({ id: input.id, input: undefined }),
  initial: 'idle',
  states: {
    idle: {
      on: { take: { target: 'working', actions: assign({ input: ({ event }) => event.input }) } },
    },
    working: {
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
        // The chart of a job ends in `abandoned` when an act fails; only a fault of the chart itself comes here.
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
