import { and } from 'xstate';
import { finalOutput } from './finalOutput.ts';
import { FencedError } from './lease.ts';
import { freshSweep, type SweepOutput, sweepSetup } from './sweepSetup.ts';
import type { MandateChanged } from './types/reports.ts';
import type { JudgedPage, PassCancel } from './types/sweep.ts';

const failed = ({ event }: { event: { error: unknown } }) => ({ error: event.error });
/** A sweep whose end cannot be recorded has not completed; one that Redis refuses is suspended. */
const failCompletion = { type: 'suspendSweep', params: failed } as const;
const judged = ({ event }: { event: { output: JudgedPage } }) => ({ judged: event.output });

const isPresent = {
  type: 'isPresent',
  params: ({ event }: { event: PassCancel }) => ({ number: event.number }),
} as const;

const cancelRequest = { type: 'cancelRequest', params: isPresent.params } as const;
const recordMandate = {
  type: 'recordMandate',
  params: ({ event }: { event: MandateChanged }) => ({ mandate: event.mandate }),
} as const;
const isTermOver = { guard: { type: 'isTermOver', params: recordMandate.params } } as const;
const loseTerm = [recordMandate, { type: 'failSweep', params: { error: new FencedError() } }] as const;

/**
 * Sweeps over all tracked jobs: on schedule while this host has the mandate, and when a caller asks. A caller may restrict its
 * sweep to some jobs, verdicts or acts, and to a number of acts.
 *
 * 1. `idle`: goes to `scanning` for a request, to `waiting` while scheduled sweeps are this host's, else stays.
 * 2. `waiting`: until the next scheduled sweep is due, a caller asks, or the mandate changes.
 * 3. `scanning`: page by page, so that memory stays flat.
 *    `reading` reads a page; a page that cannot be read is read again after `backingOff`.
 *    `judging` judges its jobs: those with nothing to do end there, each in its actor's first tick. `thenAssign`,
 *    `thenDrain` (the caller has aborted the sweep meanwhile, or the lease is lost) and `thenStop` (after `stop`) say what
 *    follows. It always waits for the page: its jobs have been reported, and have to be counted too.
 *    `assigning` gives the jobs that act to idle lanes; the next page is read when the last job has a lane, unless the sweep
 *    has acted on as many jobs as it may.
 *    A lost lease, a Redis that refuses writes, an error that retries cannot change, and the caller who aborts the sweep all
 *    end the scan. None of the jobs of a page that is being judged gets a lane then.
 * 4. `draining`: until every lane is idle.
 * 5. `stopping`: after `stop`, reads no more pages, and waits for the lanes likewise.
 * 6. `completing`: a scheduled sweep of several hosts that got to its end records it for the others. `completingLast`: the
 *    same, after a `stop`.
 * 7. `stopped` (final): requests that never began are answered with an error.
 *
 * Lanes are spawned once, under fixed ids; beyond 32 only when they are needed. A lane that crashes is replaced, up to a number
 * of times.
 */
export const sweepMachine = sweepSetup.createMachine({
  id: 'sweep',
  description: 'Sweeps over all tracked jobs, on schedule and when a caller asks.',
  context: ({ input }) => freshSweep(input),
  output: finalOutput<SweepOutput>,
  entry: 'spawnLanes',
  on: {
    'sweep.now': { actions: { type: 'enqueueRequest', params: ({ event }) => ({ request: event.request }) } },
    'sweep.cancel': { actions: cancelRequest },
    'mandate.changed': { actions: recordMandate },
    'lane.freed': {
      actions: { type: 'recordOutcome', params: ({ event }) => ({ lane: event.lane, outcome: event.outcome }) },
    },
    'xstate.error.actor.*': {
      guard: { type: 'isLane', params: ({ event }) => ({ id: event.actorId }) },
      actions: { type: 'replaceLane', params: ({ event }) => ({ id: event.actorId, error: event.error }) },
    },
  },
  initial: 'idle',
  states: {
    idle: {
      description: 'No sweep runs, and none is scheduled on this host.',
      always: [
        { guard: 'hasRequest', target: 'scanning' },
        { guard: 'hasMandate', target: 'waiting' },
      ],
      on: { stop: 'stopped' },
    },
    waiting: {
      description: 'Waits until the next scheduled sweep is due.',
      always: { guard: 'hasRequest', target: 'scanning' },
      after: { sweepDelay: 'scanning' },
      on: {
        'mandate.changed': {
          target: 'idle',
          actions: recordMandate,
        },
        stop: 'stopped',
      },
    },
    scanning: {
      description: 'Reads all tracked jobs page by page, and judges each of them.',
      entry: 'beginSweep',
      always: { guard: 'isSuspended', target: 'draining' },
      on: {
        'mandate.changed': [{ ...isTermOver, target: 'draining', actions: loseTerm }, { actions: recordMandate }],
        'sweep.cancel': [{ guard: isPresent, target: 'draining', actions: 'abortSweep' }, { actions: cancelRequest }],
        stop: { target: 'stopping', actions: 'cutShort' },
      },
      initial: 'reading',
      states: {
        reading: {
          description: 'Reads a page of tracked jobs with their facts.',
          invoke: {
            id: 'readPage',
            src: 'readPage',
            input: ({ context }) => ({
              isFirst: context.pages === 0,
              plan: context.pass?.plan === true,
              fence: context.fence,
              scope: context.pass?.scope,
            }),
            onDone: {
              target: 'judging',
              actions: { type: 'keepPage', params: ({ event }) => ({ page: event.output }) },
            },
            onError: [
              {
                guard: { type: 'isRefused', params: failed },
                target: '#sweep.draining',
                actions: { type: 'suspendSweep', params: failed },
              },
              {
                guard: { type: 'mayRetry', params: failed },
                target: 'backingOff',
                actions: { type: 'countFailure', params: failed },
              },
              {
                target: '#sweep.draining',
                actions: { type: 'failSweep', params: failed },
              },
            ],
          },
        },
        backingOff: {
          description: 'A page could not be read: waits before it is read again.',
          after: { backoff: 'reading' },
        },
        judging: {
          description: 'Judges the jobs of the page.',
          invoke: {
            id: 'judgePage',
            src: 'judgePage',
            input: ({ context }) => ({
              jobs: context.page.jobs,
              screened: context.page.screened,
              policy: context.policy,
              plan: context.pass?.plan === true,
              scope: context.pass?.scope,
              actsLeft: context.actsLeft,
            }),
            onDone: {
              target: 'assigning',
              actions: { type: 'keepJudged', params: judged },
            },
            onError: {
              target: '#sweep.draining',
              actions: { type: 'failSweep', params: failed },
            },
          },
          // Only the first of them says what follows.
          on: {
            'mandate.changed': { ...isTermOver, actions: recordMandate },
            'sweep.cancel': { guard: isPresent },
          },
          initial: 'thenAssign',
          states: {
            thenAssign: {
              description: 'The jobs with nothing to do end here; those that act get lanes next.',
              on: {
                'mandate.changed': { ...isTermOver, target: 'thenDrain', actions: loseTerm },
                'sweep.cancel': { guard: isPresent, target: 'thenDrain', actions: 'abortSweep' },
                stop: { target: 'thenStop', actions: 'cutShort' },
              },
            },
            thenDrain: {
              description:
                'Aborted, or the lease is lost: the jobs of the page are judged, and none of them gets a lane.',
              on: { stop: 'thenStop', ...judgedThen('#sweep.draining') },
            },
            thenStop: {
              description: 'Stopping: the same, and the sweep stops then.',
              on: judgedThen('#sweep.stopping'),
            },
          },
        },
        assigning: {
          description: 'Gives the jobs that have to act to idle lanes.',
          always: [
            { guard: 'canAssign', actions: 'assignJobs' },
            { guard: and(['isAssigned', 'isLastPage']), target: '#sweep.draining' },
            { guard: 'isAssigned', target: 'reading' },
          ],
        },
      },
    },
    draining: {
      description: 'Reads nothing more: waits until every lane is idle.',
      always: [
        { guard: 'mustComplete', target: 'completing', actions: 'recordEnd' },
        { guard: 'areLanesIdle', target: 'idle', actions: 'endSweep' },
      ],
      on: { stop: 'stopping' },
    },
    stopping: {
      description: 'Stopping: reads no more pages, and waits until every lane is idle.',
      always: [
        { guard: 'mustComplete', target: 'completingLast', actions: 'recordEnd' },
        { guard: 'areLanesIdle', target: 'stopped', actions: 'endSweep' },
      ],
    },
    completing: {
      description: 'Records the end of the sweep for the other hosts.',
      on: {
        'xstate.done.actor.completePass': { target: 'idle', actions: ['forgetRecord', 'endSweep'] },
        'xstate.error.actor.completePass': { target: 'idle', actions: [failCompletion, 'forgetRecord', 'endSweep'] },
        stop: 'completingLast',
      },
    },
    completingLast: {
      description: 'Stopping: still records the end of the sweep.',
      on: {
        'xstate.done.actor.completePass': { target: 'stopped', actions: ['forgetRecord', 'endSweep'] },
        'xstate.error.actor.completePass': { target: 'stopped', actions: [failCompletion, 'forgetRecord', 'endSweep'] },
      },
    },
    stopped: {
      type: 'final',
      description: 'The sweep has stopped; requests that never began were answered with an error.',
      entry: 'refuseRequests',
      output: ({ context }) => ({ begun: context.begun }),
    },
  },
});

/** What follows a page of a sweep that has ended while it was judged. */
function judgedThen<State extends 'draining' | 'stopping'>(target: `#sweep.${State}`) {
  return {
    'xstate.done.actor.judgePage': { target, actions: { type: 'countJudged', params: judged } },
    'xstate.error.actor.judgePage': target,
  } as const;
}
