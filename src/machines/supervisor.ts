import { finalOutput } from './finalOutput.ts';
import { type ChildName, type SupervisorOutput, supervisorSetup } from './supervisorSetup.ts';

const crash = ({ event }: { event: { actorId: ChildName; error: unknown } }) => ({
  id: event.actorId,
  error: event.error,
});
const giveUpChild = [
  { type: 'removeCrashed', params: crash },
  { type: 'recordFailed', params: crash },
] as const;

/**
 * The root of the tree: starts its children, restarts what crashes, passes requests on and reports up, and stops in order.
 *
 * 1. `running`: `sweep`, `rescue` and `dispatcher` run; `leader` runs from `schedule` on. The mandate of the leader goes to
 *    the sweep and the rescue. A child that crashes is started again, five times within a minute.
 * 2. `degraded`: a child crashed more often, and is not started again. The others go on; health is red; a request to the
 *    missing child is answered with an error.
 * 3. `stopping`: after `stop`, first `finishingPasses`: the sweep and the rescue finish what they have begun, while the
 *    leader still renews the lease, so that this work is not fenced off, and the dispatcher still sends. Then `resigning`:
 *    the dispatcher finishes what is in flight, and the leader resigns. With `giveUp` it no longer waits for the passes
 *    and the dispatcher.
 * 4. `stopped` (final).
 *
 * Passes that a crashed child had are answered with an error. Everything that a child reports is emitted here, so that one
 * subscription lasts whatever is restarted. Actions never throw: that would leave the children without a supervisor.
 */
export const supervisorMachine = supervisorSetup.createMachine({
  id: 'supervisor',
  description: 'Starts, restarts and stops the others.',
  context: ({ input }) => ({
    ...input,
    mandate: undefined,
    sweepsBegun: 0,
    passesBegun: 0,
    dispatching: 'onDemand',
    open: [],
    alive: [],
    failed: [],
    crashes: 0,
    restarts: 0,
  }),
  output: finalOutput<SupervisorOutput>,
  entry: { type: 'startChildren', params: { names: ['sweep', 'rescue', 'dispatcher'] } },
  on: {
    reported: { actions: { type: 'relay', params: ({ event }) => ({ reports: event.reports }) } },
    'mandate.changed': { actions: { type: 'relayMandate', params: ({ event }) => ({ mandate: event.mandate }) } },
    'restart.expired': { actions: 'forgetRestart' },
    'sweep.*': { actions: { type: 'forwardToSweep', params: ({ event }) => event } },
    'rescue.*': { actions: { type: 'forwardToRescue', params: ({ event }) => event } },
    'hooks.*': { actions: { type: 'forwardToDispatcher', params: ({ event }) => event } },
    'xstate.done.actor.*': { actions: { type: 'removeChild', params: ({ event }) => ({ id: event.actorId }) } },
    'xstate.error.actor.*': {
      actions: giveUpChild,
    },
  },
  initial: 'running',
  states: {
    running: {
      description: 'All children run; one that crashes is started again.',
      on: {
        stop: 'stopping',
        schedule: { guard: 'hasNoLeader', actions: { type: 'startChildren', params: { names: ['leader'] } } },
        'xstate.error.actor.*': [
          {
            guard: 'mayRestart',
            actions: [
              { type: 'removeCrashed', params: crash },
              { type: 'startChildren', params: ({ event }) => ({ names: [event.actorId] }) },
              'countRestart',
              { type: 'resumeDispatcher', params: crash },
            ],
          },
          {
            target: 'degraded',
            actions: giveUpChild,
          },
        ],
      },
    },
    degraded: {
      description: 'A child crashed too often and is not started again; the others go on.',
      on: {
        stop: 'stopping',
        schedule: { guard: 'hasNoLeader', actions: { type: 'startChildren', params: { names: ['leader'] } } },
      },
    },
    stopping: {
      description: 'Ends the children in order.',
      initial: 'finishingPasses',
      states: {
        finishingPasses: {
          description: 'The sweep and the rescue finish what they have begun.',
          entry: { type: 'stopChildren', params: { names: ['sweep', 'rescue'] } },
          always: { guard: 'arePassesOver', target: 'resigning' },
          on: { giveUp: { target: 'resigning', actions: 'dropPasses' } },
        },
        resigning: {
          description: 'The dispatcher finishes what is in flight, and the leader resigns.',
          entry: { type: 'stopChildren', params: { names: ['dispatcher', 'leader'] } },
          always: { guard: 'isEverythingOver', target: '#supervisor.stopped' },
          on: { giveUp: { actions: 'dropPasses' } },
        },
      },
    },
    stopped: {
      type: 'final',
      description: 'All children have ended.',
      output: ({ context }) => ({ failed: context.failed }),
    },
  },
});
