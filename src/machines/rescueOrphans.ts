import { abort, endWhenAborted, stopAfterStep } from './rescueAbort.ts';
import { type RescueContext, rescueSetup } from './rescueSetup.ts';
import type { RequeuedOrphans } from './types/rescue.ts';
import { scheduledPass } from './types/sweep.ts';

const keepRequeued = {
  type: 'keepRequeued',
  params: ({ event }: { event: { output: RequeuedOrphans } }) => ({ requeued: event.output }),
} as const;

/** The state of a rescue in which it requeues entries that no worker of their live pool runs. */
export const requeuingOrphans = rescueSetup.createStateConfig({
  description: 'Requeues orphaned entries.',
  entry: 'releasePools',
  initial: 'trying',
  states: {
    trying: {
      description: 'Tries the live pools.',
      invoke: {
        id: 'requeueOrphans',
        src: 'requeueOrphans',
        input: orphansInput,
        onDone: [
          {
            guard: { type: 'isTooEarly', params: keepRequeued.params },
            target: 'awaitingSecondTry',
            actions: { type: 'keepFirstTry', params: keepRequeued.params },
          },
          {
            target: '#rescue.idle',
            actions: [keepRequeued, 'endSteps'],
          },
        ],
        // The pass completes without them: the next one finds the entries.
        onError: {
          target: '#rescue.idle',
          actions: [{ type: 'report', params: orphansFailed }, 'endSteps'],
        },
      },
      on: stopAfterStep,
      initial: 'thenWait',
      states: {
        thenWait: { description: 'Entries that are not proven to be orphaned are tried again.', on: abort },
        thenEnd: {
          description: 'Aborted: no entry is tried again.',
          on: {
            'xstate.done.actor.requeueOrphans': {
              target: '#rescue.idle',
              actions: [keepRequeued, 'endSteps'],
            },
          },
        },
      },
    },
    awaitingSecondTry: {
      description: 'Some entries look orphaned, but not for long enough.',
      after: { secondTry: 'tryingAgain' },
      on: endWhenAborted,
    },
    tryingAgain: {
      description: 'Tries the entries for the second and last time.',
      invoke: {
        id: 'requeueOrphans',
        src: 'requeueOrphans',
        input: orphansInput,
        onDone: {
          target: '#rescue.idle',
          actions: [keepRequeued, 'endSteps'],
        },
        onError: {
          target: '#rescue.idle',
          actions: [{ type: 'report', params: orphansFailed }, 'endSteps'],
        },
      },
      on: stopAfterStep,
    },
  },
});

function orphansFailed({ event }: { event: { error: unknown } }) {
  return { where: 'looking for orphaned entries', error: event.error };
}

function orphansInput({ context: { live, request, fence } }: { context: RescueContext }) {
  const { number = scheduledPass, plan = false, scope } = request ?? {};
  return { number, live, plan, fence, scope };
}
