import type { DoneActorEvent } from 'xstate';
import { finalOutput } from './finalOutput.ts';
import { FencedError } from './lease.ts';
import { abort, cancelPass, endWhenAborted, stopAfterStep } from './rescueAbort.ts';
import { requeuingOrphans } from './rescueOrphans.ts';
import type { RescuePassOutput } from './rescuePass.ts';
import { freshRescue, type RescueOutput, rescueSetup } from './rescueSetup.ts';
import type { Found, Recounted } from './types/rescue.ts';
import { scheduledPass } from './types/sweep.ts';

const found = ({ event }: { event: { output: Found } }) => ({ found: event.output });
const keepRecounted = {
  type: 'keepRecounted',
  params: ({ event }: { event: { output: Recounted } }) => ({ recounted: event.output }),
} as const;
const failed = ({ event }: { event: { error: unknown } }) => ({ error: event.error });

/**
 * Looks for dead pools and orphaned entries: on schedule while this host has the mandate, and when a caller asks. A caller may
 * restrict its pass to some pools: `finding` finds no others then, and `recounting` rebuilds nothing. If it does the acts of a plan,
 * each step does those that are its own, and nothing else.
 *
 * 1. `idle`: goes to `finding` for a request, to `waiting` while scheduled passes are this host's, else stays.
 * 2. `waiting`: until the next scheduled pass is due, a heartbeat grows old, a caller asks, or the mandate changes.
 * 3. `finding`: a pass begins. `reading` reads all pools, and again after `backingOff` if that fails. What is found
 *    goes to `pools`, where each suspect waits out its grace. A pass that is suspended, or whose pools are read after the term
 *    has ended, judges no pool and ends.
 * 4. `recounting`: rebuilds the counters of all types, before any pool is worked on, so that a plan reports the changes of
 *    the counters that a rescue makes.
 * 5. `requeuingOrphans`: pools may be worked on now. `trying` requeues entries that no worker of their live pool runs. A
 *    pass with a grace that a caller asked for tries a second time (`awaitingSecondTry`, `tryingAgain`), because an entry
 *    counts as orphaned only after it was seen twice. Then the next pass may begin; the actor of this one awaits its pools.
 * 6. `stopping`: after `stop`, begins nothing more, and waits until `pools` has stopped. A step that changes Redis ends before: it
 *    begins no further act, and what it has done is counted.
 * 7. `answering`: each pass that is still open ends with an error.
 * 8. `stopped` (final): requests that never began are answered with an error.
 *
 * `rescueAbort.ts` has what happens when a caller aborts a pass.
 *
 * Children: `pools`, and one `rescuePass` for each pass that is not complete, under ids that are used again.
 */
export const rescueMachine = rescueSetup.createMachine({
  id: 'rescue',
  description: 'Looks for dead pools and orphaned entries, on schedule and when a caller asks.',
  context: ({ input }) => freshRescue(input),
  output: finalOutput<RescueOutput>,
  entry: 'spawnPools',
  on: {
    'rescue.now': { actions: { type: 'enqueueRequest', params: ({ event }) => ({ request: event.request }) } },
    'rescue.cancel': { actions: cancelPass },
    'mandate.changed': { actions: { type: 'recordMandate', params: ({ event }) => ({ mandate: event.mandate }) } },
    'pools.shared': { actions: { type: 'shareOut', params: ({ event }) => event } },
    'pools.ended': { actions: { type: 'relayEnds', params: ({ event }) => ({ ends: event.ends }) } },
    'pools.cutShort': { actions: { type: 'cutShort', params: ({ event }) => ({ passes: event.passes }) } },
    'xstate.done.actor.*': {
      guard: { type: 'isPass', params: ended },
      actions: { type: 'endPass', params: ended },
    },
    stop: '.stopping',
  },
  initial: 'idle',
  states: {
    idle: {
      description: 'No pass takes a step, and none is scheduled on this host.',
      always: [
        { guard: 'hasRequest', target: 'finding' },
        { guard: 'hasMandate', target: 'waiting' },
      ],
    },
    waiting: {
      description: 'Waits until the next scheduled pass is due, or a heartbeat grows old.',
      always: { guard: 'hasRequest', target: 'finding' },
      after: { rescueDelay: 'finding' },
      invoke: {
        id: 'watch',
        src: 'watch',
        onDone: 'finding',
        // The pass that is due by the schedule finds what was not seen.
        onError: {
          actions: {
            type: 'report',
            params: ({ event }) => ({ where: 'watching heartbeats', error: event.error, poll: 'heartbeats' as const }),
          },
        },
      },
      on: {
        'mandate.changed': {
          target: 'idle',
          actions: { type: 'recordMandate', params: ({ event }) => ({ mandate: event.mandate }) },
        },
      },
    },
    finding: {
      description: 'Looks for suspected pools.',
      entry: 'beginPass',
      on: {
        'pools.ended': {
          actions: [
            { type: 'relayEnds', params: ({ event }) => ({ ends: event.ends }) },
            { type: 'recordEnded', params: ({ event }) => ({ ends: event.ends }) },
          ],
        },
      },
      initial: 'reading',
      states: {
        reading: {
          description: 'Reads all pools.',
          invoke: {
            id: 'find',
            src: 'find',
            input: ({ context }) => ({
              thorough: context.request?.thorough === true,
              plan: context.request?.plan === true,
              fence: context.fence,
              scope: context.request?.scope,
            }),
            onDone: [
              {
                guard: 'isTermOver',
                target: '#rescue.idle',
                actions: [{ type: 'failPass', params: { error: new FencedError() } }, 'endSteps'],
              },
              {
                guard: { type: 'isSuspended', params: found },
                target: '#rescue.idle',
                actions: [{ type: 'suspendPass', params: found }, 'endSteps'],
              },
              {
                target: '#rescue.recounting',
                actions: { type: 'keepFound', params: found },
              },
            ],
            onError: [
              {
                guard: { type: 'mayRetry', params: failed },
                target: 'backingOff',
                actions: { type: 'countFailure', params: failed },
              },
              {
                target: '#rescue.idle',
                actions: [{ type: 'failPass', params: failed }, 'endSteps'],
              },
            ],
          },
          initial: 'thenRecount',
          states: {
            thenRecount: { description: 'The suspects go to the pools; the counters are next.', on: abort },
            thenEnd: {
              description: 'Aborted: the suspects are left to the next pass.',
              on: {
                'xstate.done.actor.find': { target: '#rescue.idle', actions: 'endSteps' },
                'xstate.error.actor.find': { target: '#rescue.idle', actions: 'endSteps' },
              },
            },
          },
        },
        backingOff: {
          description: 'The pools could not be read: waits before they are read again.',
          after: { backoff: 'reading' },
          on: endWhenAborted,
        },
      },
    },
    recounting: {
      description: 'Rebuilds the counters.',
      invoke: {
        id: 'recount',
        src: 'recount',
        input: ({ context }) => ({
          number: context.request?.number ?? scheduledPass,
          types: context.types,
          lists: context.lists,
          plan: context.request?.plan === true,
          fence: context.fence,
          scope: context.request?.scope,
        }),
        onDone: [
          { guard: 'isStopping', target: 'idle', actions: [keepRecounted, 'endSteps'] },
          { target: 'requeuingOrphans', actions: keepRecounted },
        ],
        onError: [
          { guard: 'isStopping', target: 'idle', actions: 'endSteps' },
          { target: 'requeuingOrphans', actions: { type: 'failPass', params: failed } },
        ],
      },
      on: stopAfterStep,
      initial: 'thenRequeue',
      states: {
        thenRequeue: { description: 'Orphaned entries and pools are next.', on: abort },
        thenEnd: {
          description: 'Aborted: the types that are rebuilt now are the last ones.',
          on: {
            'xstate.done.actor.recount': {
              target: '#rescue.idle',
              actions: [keepRecounted, 'endSteps'],
            },
            'xstate.error.actor.recount': { target: '#rescue.idle', actions: 'endSteps' },
          },
        },
      },
    },
    requeuingOrphans,
    stopping: {
      description: 'Stopping: waits until the pools in the slots have finished their step.',
      entry: 'stopPools',
      on: {
        'xstate.done.actor.*': [
          {
            guard: { type: 'isPass', params: ended },
            actions: { type: 'endPass', params: ended },
          },
          // The only other child is `pools`.
          { target: 'answering' },
        ],
      },
    },
    answering: {
      description: 'Ends the passes that are still open.',
      entry: 'stopPasses',
      always: { guard: 'areAllPassesEnded', target: 'stopped' },
    },
    stopped: {
      type: 'final',
      description: 'The rescue has stopped; requests that never began were answered with an error.',
      entry: 'refuseRequests',
      output: ({ context }) => ({ begun: context.begun }),
    },
  },
});

/** Of an actor that has ended. The guard `isPass` tells whether it is that of a pass. */
function ended({ event }: { event: DoneActorEvent<unknown> }) {
  return { id: event.actorId, output: event.output as RescuePassOutput };
}
