import { finalOutput } from './finalOutput.ts';
import { type PoolsOutput, poolsSetup } from './poolsSetup.ts';
import { waitingIn } from './waitingPools.ts';

/**
 * Supervises the suspected pools of all rescue passes: graces, slots and urgency.
 *
 * 1. `working`: adopts what the passes find. Each suspect waits out its grace beside the others, under one timer, and gets
 *    a slot then, those that hold entries first. A pool that has to be confirmed again gives its slot back and waits out
 *    another grace. The end of each pool goes to the rescue, which passes it on to the passes that report or await it.
 * 2. `stopping`: after `stop`, abandons waiting suspects, and lets the pools in the slots finish their step.
 * 3. `stopped` (final).
 *
 * When the term of a leader is over, the pools of its scheduled passes are abandoned; those of callers go on. When a caller
 * aborts a pass, its pools that wait are abandoned, except for those that another pass reports or awaits.
 */
export const poolsMachine = poolsSetup.createMachine({
  id: 'pools',
  description: 'Supervises the suspected pools of all rescue passes.',
  context: ({ input }) => ({
    slotCount: input.slots,
    defaultGrace: input.grace,
    fence: input.fence,
    graces: [],
    timedFor: undefined,
    suspects: [],
    slots: {},
  }),
  output: finalOutput<PoolsOutput>,
  initial: 'working',
  states: {
    working: {
      description: 'Waits out the graces of suspects, and works on as many pools as there are slots.',
      on: {
        adopt: { actions: [{ type: 'adopt', params: ({ event }) => event }, 'timeGrace'] },
        release: { actions: [{ type: 'skipGraces', params: ({ event }) => event }, 'timeGrace', 'fillSlots'] },
        'grace.over': {
          actions: [{ type: 'endGrace', params: ({ event }) => ({ dueAt: event.dueAt }) }, 'timeGrace', 'fillSlots'],
        },
        cancel: { actions: [{ type: 'abandonAborted', params: ({ event }) => ({ pass: event.pass }) }, 'timeGrace'] },
        'term.changed': {
          actions: [{ type: 'abandonFenced', params: ({ event }) => ({ fence: event.fence }) }, 'timeGrace'],
        },
        stop: { target: 'stopping', actions: ['abandonWaiting', 'timeGrace', 'stopPools'] },
        'xstate.done.actor.*': {
          actions: [
            { type: 'endPool', params: ({ event }) => ({ slot: event.actorId, output: event.output }) },
            'timeGrace',
            'fillSlots',
          ],
        },
        'xstate.error.actor.*': {
          actions: [
            { type: 'abandonPool', params: ({ event }) => ({ slot: event.actorId, error: event.error }) },
            'fillSlots',
          ],
        },
      },
    },
    stopping: {
      description: 'Stopping: waits until the pools in the slots have finished their step.',
      always: { guard: 'areSlotsFree', target: 'stopped' },
      on: {
        'xstate.done.actor.*': {
          actions: { type: 'endStoppedPool', params: ({ event }) => ({ slot: event.actorId, output: event.output }) },
        },
        'xstate.error.actor.*': {
          actions: { type: 'abandonPool', params: ({ event }) => ({ slot: event.actorId, error: event.error }) },
        },
      },
    },
    stopped: {
      type: 'final',
      description: 'No pool waits, and none is in a slot.',
      output: ({ context }) => ({ waiting: waitingIn(context).length }),
    },
  },
});
