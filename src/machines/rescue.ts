import { finalOutput } from './finalOutput.ts';
import { FencedError } from './lease.ts';
import { freshRescue, type RescueContext, type RescueOutput, rescueSetup } from './rescueSetup.ts';
import { type PassCancel, scheduledPass } from './types/sweep.ts';

const isPresent = {
  type: 'isPresent',
  params: ({ event }: { event: PassCancel }) => ({ number: event.number }),
} as const;
const cancelPass = {
  type: 'cancelPass',
  params: ({ event }: { event: PassCancel }) => ({ number: event.number }),
} as const;
/** While the present pass waits for a time. */
const endWhenAborted = {
  'rescue.cancel': [
    { guard: isPresent, target: '#rescue.idle', actions: [cancelPass, 'endLook'] },
    { actions: cancelPass },
  ],
} as const;

/**
 * Looks for dead pools and orphaned entries: on schedule while this host has the mandate, and when a caller asks. A caller may
 * restrict its pass to some pools: `finding` finds no others then, and `recounting` rebuilds nothing.
 *
 * 1. `idle`: goes to `finding` for a request, to `waiting` while scheduled passes are this host's, else stays.
 * 2. `waiting`: until the next scheduled pass is due, a heartbeat grows old, a caller asks, or the mandate changes.
 * 3. `finding`: a pass begins. `looking` reads all pools; a look that fails is repeated after `backingOff`. What is found
 *    goes to `pools`, where each suspect waits out its grace. A look that is suspended, or that is answered after the term
 *    has ended, judges no pool and ends the pass.
 * 4. `recounting`: rebuilds the counters of all types, before any pool is worked on, so that a plan reports the changes of
 *    the counters that a rescue makes.
 * 5. `requeuingOrphans`: pools may be worked on now. `looking` requeues entries that no worker of their live pool runs. A
 *    pass with a grace that a caller asked for takes a second look (`awaitingSecondLook`, `lookingAgain`), because an entry
 *    counts as orphaned only after two looks. Then the next pass may begin; the actor of this one awaits its pools.
 * 6. `stopping`: after `stop`, begins nothing more, and waits until `pools` has stopped.
 * 7. `answering`: each pass that is still open ends with an error.
 * 8. `stopped` (final): requests that never began are answered with an error.
 *
 * A caller may abort a pass: one that waits for a time ends at once, one that takes a step when the step has ended (it
 * begins no further act), and one that awaits its pools when those that are worked on have ended.
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
    'rescue.cancel': [{ guard: isPresent, actions: [cancelPass, 'markAborted'] }, { actions: cancelPass }],
    'mandate.changed': { actions: { type: 'recordMandate', params: ({ event }) => ({ mandate: event.mandate }) } },
    'pools.shared': { actions: { type: 'shareOut', params: ({ event }) => event } },
    'pools.ended': { actions: { type: 'relayEnds', params: ({ event }) => ({ ends: event.ends }) } },
    'pools.cutShort': { actions: { type: 'cutShort', params: ({ event }) => ({ passes: event.passes }) } },
    'xstate.done.actor.*': {
      guard: { type: 'isPass', params: ({ event }) => ({ id: event.actorId }) },
      actions: { type: 'endPass', params: ({ event }) => ({ id: event.actorId, output: event.output }) },
    },
    stop: '.stopping',
  },
  initial: 'idle',
  states: {
    idle: {
      description: 'No pass looks at anything, and none is scheduled on this host.',
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
      initial: 'looking',
      states: {
        looking: {
          description: 'Reads all pools, their heartbeats and their in-progress lists.',
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
              { guard: 'isAborted', target: '#rescue.idle', actions: 'endLook' },
              {
                guard: 'isTermOver',
                target: '#rescue.idle',
                actions: [{ type: 'failPass', params: { error: new FencedError() } }, 'endLook'],
              },
              {
                guard: { type: 'isSuspended', params: ({ event }) => ({ found: event.output }) },
                target: '#rescue.idle',
                actions: [{ type: 'suspendPass', params: ({ event }) => ({ found: event.output }) }, 'endLook'],
              },
              {
                target: '#rescue.recounting',
                actions: { type: 'keepFound', params: ({ event }) => ({ found: event.output }) },
              },
            ],
            onError: [
              { guard: 'isAborted', target: '#rescue.idle', actions: 'endLook' },
              {
                guard: { type: 'mayRetry', params: ({ event }) => ({ error: event.error }) },
                target: 'backingOff',
                actions: { type: 'countFailure', params: ({ event }) => ({ error: event.error }) },
              },
              {
                target: '#rescue.idle',
                actions: [{ type: 'failPass', params: ({ event }) => ({ error: event.error }) }, 'endLook'],
              },
            ],
          },
        },
        backingOff: {
          description: 'The pools could not be read: waits before they are read again.',
          after: { backoff: 'looking' },
          on: endWhenAborted,
        },
      },
    },
    recounting: {
      description: 'Rebuilds the counters of all job types from the lists that they count.',
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
          {
            guard: 'isAborted',
            target: 'idle',
            actions: [{ type: 'keepRecounted', params: ({ event }) => ({ recounted: event.output }) }, 'endLook'],
          },
          {
            target: 'requeuingOrphans',
            actions: { type: 'keepRecounted', params: ({ event }) => ({ recounted: event.output }) },
          },
        ],
        onError: [
          { guard: 'isAborted', target: 'idle', actions: 'endLook' },
          {
            target: 'requeuingOrphans',
            actions: { type: 'failPass', params: ({ event }) => ({ error: event.error }) },
          },
        ],
      },
    },
    requeuingOrphans: {
      description: 'Requeues orphaned entries.',
      entry: 'releasePools',
      initial: 'looking',
      states: {
        looking: {
          description: 'Looks at the lists of live pools.',
          invoke: {
            id: 'requeueOrphans',
            src: 'requeueOrphans',
            input: orphansInput,
            onDone: [
              {
                guard: 'isAborted',
                target: '#rescue.idle',
                actions: [{ type: 'keepRequeued', params: ({ event }) => ({ requeued: event.output }) }, 'endLook'],
              },
              {
                guard: { type: 'isTooEarly', params: ({ event }) => ({ requeued: event.output }) },
                target: 'awaitingSecondLook',
                actions: { type: 'keepFirstLook', params: ({ event }) => ({ requeued: event.output }) },
              },
              {
                target: '#rescue.idle',
                actions: [{ type: 'keepRequeued', params: ({ event }) => ({ requeued: event.output }) }, 'endLook'],
              },
            ],
            // The next pass finds the entries. The counters are another matter.
            onError: {
              target: '#rescue.idle',
              actions: [{ type: 'report', params: orphansFailed }, 'endLook'],
            },
          },
        },
        awaitingSecondLook: {
          description: 'Some entries look orphaned, but not for long enough.',
          after: { secondLook: 'lookingAgain' },
          on: endWhenAborted,
        },
        lookingAgain: {
          description: 'Looks at the lists of live pools for the second and last time.',
          invoke: {
            id: 'requeueOrphans',
            src: 'requeueOrphans',
            input: orphansInput,
            onDone: {
              target: '#rescue.idle',
              actions: [{ type: 'keepRequeued', params: ({ event }) => ({ requeued: event.output }) }, 'endLook'],
            },
            onError: {
              target: '#rescue.idle',
              actions: [{ type: 'report', params: orphansFailed }, 'endLook'],
            },
          },
        },
      },
    },
    stopping: {
      description: 'Stopping: waits until the pools in the slots have finished their step.',
      entry: 'stopPools',
      on: {
        'xstate.done.actor.*': [
          {
            guard: { type: 'isPass', params: ({ event }) => ({ id: event.actorId }) },
            actions: { type: 'endPass', params: ({ event }) => ({ id: event.actorId, output: event.output }) },
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

function orphansFailed({ event }: { event: { error: unknown } }) {
  return { where: 'looking for orphaned entries', error: event.error };
}

function orphansInput({ context: { live, request, fence } }: { context: RescueContext }) {
  return { number: request?.number ?? scheduledPass, live, plan: request?.plan === true, fence };
}
