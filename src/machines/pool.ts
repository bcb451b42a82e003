import type { ErrorActorEvent } from 'xstate';
import { finalOutput } from './finalOutput.ts';
import { PlanMovedError } from './plannedPool.ts';
import { failureIn, nextEntries, nextTypes, poolSetup } from './poolSetup.ts';
import type { PlannedRescue } from './types/changes.ts';
import type { PoolContext, PoolDone, PoolEnd, PoolInput, PoolResult, Suspect } from './types/pool.ts';

/** What a step replied. */
const replied = <Reply>({ event }: { event: { output: Reply } }) => ({ reply: event.output });
/** A failed step leads to a pause and a review; a lost lease, or a pool that is not as planned, ends it at once. */
const countFailure = {
  type: 'countFailure',
  params: ({ event }: { event: ErrorActorEvent }) => ({ error: event.error }),
} as const;
const failed = [
  { guard: { type: 'isFenced', params: countFailure.params }, target: 'abandoned', actions: countFailure },
  { target: 'backingOff', actions: countFailure },
] as const;

/**
 * One suspected pool.
 *
 * 1. `suspect`: its grace is over (`pools` has waited it out), or it has none.
 * 2. `acting`: one step after another. It handles their failures once.
 *    - `confirm`: looks again. A pool that is alive ends in `alive`, a plan in `planned`, or in `abandoned` as its rescue would.
 *    - `requeue`: requeues its entries, a bounded number of one type or of several at a time, until none is left.
 *    - `quarantine`: quarantines an entry whose job was recovered too often; `requeue` stopped before it.
 *    - `deregister`: removes the pool. New entries lead back to `confirm`.
 * 3. `backingOff`, then `review`: a step failed, or was not taken because of a disruption. Its cause may have delayed the
 *    heartbeat of a live pool, so the pool is suspected again, and ends in `awaitingGrace` where it has a grace.
 * 4. Final: `rescued`; `cleaned` (nothing to requeue, as after a graceful stop, or another reaper removed it); `alive`; `planned`; `awaitingGrace`;
 *    `abandoned` (too many failures, a lost lease, a stop, or entries that cannot be requeued).
 *
 * Every step is one script, or twice the same, that checks whether the pool is dead; one that has come alive ends in `alive`. A type that cannot be
 * requeued, because a key has the wrong type or its list may be another pool's, is passed over: the other types go on, then the pool ends as
 * `abandoned` and stays registered, so that its entries are still known as its own.
 */
export const poolMachine = poolSetup.createMachine({
  id: 'pool',
  description: 'Rescues one suspected pool.',
  context: ({ input }) => ({
    ...input,
    held: [],
    at: 0,
    left: undefined,
    moved: {},
    poison: undefined,
    quarantined: [],
    unreadable: [],
    failures: 0,
    error: undefined,
    cause: undefined,
    ...input.before,
  }),
  output: ({ context, event }) => {
    const end = finalOutput<PoolEnd | 'again'>({ event });
    return end === 'again' ? { outcome: 'again', input: againOf(context) } : outcomeOf(context, end);
  },
  initial: 'suspect',
  states: {
    suspect: {
      description: 'The grace of the pool is over.',
      always: 'acting',
    },
    acting: {
      description: 'One step of the rescue.',
      on: { 'xstate.error.actor.*': failed },
      initial: 'confirm',
      states: {
        confirm: {
          description: 'Checks again whether the pool is dead, and what it holds.',
          invoke: {
            id: 'confirm',
            src: 'confirm',
            input: ({ context }) => ({ suspect: context.suspect, plan: context.plan, done: doneOf(context) }),
            onDone: [
              { guard: { type: 'isAlive', params: replied }, target: '#pool.alive' },
              {
                guard: { type: 'wouldLeave', params: replied },
                target: '#pool.abandoned',
                actions: [{ type: 'keepHeld', params: replied }, 'planMoves', 'explainLeft'],
              },
              {
                guard: 'isPlan',
                target: '#pool.planned',
                actions: [{ type: 'keepHeld', params: replied }, 'planMoves'],
              },
              {
                guard: { type: 'holdsNothing', params: replied },
                target: 'deregister',
                actions: { type: 'keepHeld', params: replied },
              },
              { target: 'requeue', actions: { type: 'keepHeld', params: replied } },
            ],
          },
        },
        requeue: {
          description: 'Requeues a bounded number of entries, of one job type or several.',
          invoke: {
            id: 'requeue',
            src: 'requeue',
            input: ({ context }) => ({
              suspect: context.suspect,
              types: nextTypes(context),
              entries: nextEntries(context),
              done: doneOf(context),
            }),
            onDone: [
              { guard: { type: 'isAlive', params: replied }, target: '#pool.alive' },
              {
                guard: { type: 'isCutOff', params: replied },
                target: '#pool.backingOff',
                actions: [
                  { type: 'countMoved', params: replied },
                  { type: 'countFailure', params: ({ event }) => ({ error: failureIn(event.output) }) },
                ],
              },
              {
                guard: { type: 'isPoisoned', params: replied },
                target: 'quarantine',
                actions: [
                  { type: 'countMoved', params: replied },
                  { type: 'keepPoison', params: replied },
                  { type: 'advance', params: replied },
                ],
              },
              {
                guard: { type: 'hasMore', params: replied },
                target: 'requeue',
                reenter: true,
                actions: [
                  { type: 'countMoved', params: replied },
                  { type: 'passOver', params: replied },
                  { type: 'advance', params: replied },
                ],
              },
              {
                target: 'deregister',
                actions: [
                  { type: 'countMoved', params: replied },
                  { type: 'passOver', params: replied },
                ],
              },
            ],
          },
        },
        quarantine: {
          description: 'Quarantines an entry of a poison job.',
          invoke: {
            id: 'quarantine',
            src: 'quarantine',
            input: ({ context }) => ({
              suspect: context.suspect,
              type: context.held[context.at]?.type ?? '',
              id: context.poison ?? '',
              done: doneOf(context),
            }),
            onDone: [
              { guard: { type: 'isAlive', params: replied }, target: '#pool.alive' },
              {
                guard: { type: 'isLastRefused', params: replied },
                target: 'deregister',
                actions: { type: 'passOver', params: replied },
              },
              {
                target: 'requeue',
                actions: [
                  { type: 'countQuarantined', params: replied },
                  { type: 'passOver', params: replied },
                  { type: 'advance', params: replied },
                ],
              },
            ],
          },
        },
        deregister: {
          description: 'Removes the pool, its heartbeat and its lock_info fields.',
          invoke: {
            id: 'deregister',
            src: 'deregister',
            input: ({ context }) => ({
              suspect: context.suspect,
              types: context.suspect.types,
              isLeft: context.unreadable.length > 0,
            }),
            onDone: [
              { guard: { type: 'isAlive', params: replied }, target: '#pool.alive' },
              { guard: { type: 'hasEntries', params: replied }, target: 'confirm' },
              {
                guard: { type: 'isLeft', params: replied },
                target: '#pool.abandoned',
                actions: 'explainLeft',
              },
              { guard: { type: 'isRemoved', params: replied }, target: '#pool.cleaned', actions: 'forgetTraces' },
              { guard: { type: 'isCleaned', params: replied }, target: '#pool.cleaned' },
              { target: '#pool.rescued' },
            ],
          },
        },
      },
    },
    backingOff: {
      description: 'A step failed: waits before the pool is reviewed.',
      always: { guard: 'retriesExhausted', target: 'abandoned' },
      after: { backoff: 'review' },
      on: { stop: { target: 'abandoned', actions: 'recordStop' } },
    },
    review: {
      description: 'Checks the pool again: the cause of the failure may have delayed the heartbeat of a live pool.',
      invoke: {
        id: 'review',
        src: 'review',
        input: ({ context }) => ({ suspect: context.suspect, plan: context.plan }),
        onDone: [
          { guard: { type: 'isAlive', params: replied }, target: 'alive' },
          {
            guard: 'hasGrace',
            target: 'awaitingGrace',
            actions: { type: 'suspectAgain', params: replied },
          },
          { target: 'suspect', actions: { type: 'suspectAgain', params: replied } },
        ],
        onError: failed,
      },
    },
    awaitingGrace: {
      type: 'final',
      description: 'Suspected again: another actor continues after another grace.',
      output: 'again',
    },
    cleaned: {
      type: 'final',
      description: 'The pool had left nothing to requeue, or another reaper has removed it.',
      entry: 'forgetError',
      output: 'cleaned',
    },
    rescued: {
      type: 'final',
      description: 'All entries were requeued, and the pool was removed.',
      entry: 'forgetError',
      output: 'rescued',
    },
    alive: { type: 'final', description: 'The pool is alive.', entry: 'forgetError', output: 'alive' },
    planned: {
      type: 'final',
      description: 'A plan: the pool would have been rescued or cleaned up.',
      entry: 'forgetError',
      output: 'planned',
    },
    abandoned: {
      type: 'final',
      description: 'Given up with an error: the next pass finds the pool again.',
      output: 'abandoned',
    },
  },
});

const doneOf = ({ moved, quarantined }: PoolContext): PoolDone => ({ moved, quarantined });

/** Whether nothing stays of the pool; in a plan, whether nothing would. */
const isGone = (end: PoolEnd) => end === 'rescued' || end === 'cleaned' || end === 'planned';

const againOf = ({ suspect, plan, grace, moved, quarantined, failures, error, cause }: PoolContext): PoolInput => ({
  suspect,
  plan,
  grace,
  before: { moved, quarantined, failures, error, cause },
});

const outcomeOf = (
  { suspect, plan, held, moved, quarantined, unreadable, error, cause }: PoolContext,
  end: PoolEnd,
): PoolResult => ({
  pool: suspect.pool,
  outcome: end,
  evidence: suspect.evidence,
  moved,
  entries: Object.values(moved).reduce((sum, count) => sum + count, 0),
  quarantined: quarantined.length,
  ...(quarantined.length === 0 ? {} : { poison: quarantined }),
  ...(suspect.traces === undefined || !isGone(end) ? {} : { deregistered: suspect.traces }),
  ...(end === 'planned' || (plan && unreadable.length > 0)
    ? { act: plannedRescueOf(suspect, { held, moved, quarantined, unreadable }) }
    : {}),
  ...(unreadable.length === 0 ? {} : { unreadable }),
  ...(error === undefined ? {} : { error }),
  ...(cause instanceof PlanMovedError ? { isMoved: true as const } : {}),
  ...(cause === undefined ? {} : { cause }),
});

const plannedRescueOf = (
  { pool, heartbeat, traces }: Suspect,
  { held, moved, quarantined, unreadable }: Pick<PoolContext, 'held' | 'moved' | 'quarantined' | 'unreadable'>,
): PlannedRescue => ({
  pool,
  heartbeat,
  entries: moved,
  poison: quarantined.map(({ id, type }) => ({ id, type })),
  marks: Object.fromEntries(held.flatMap(({ type, marks }) => (marks === undefined ? [] : [[type, marks]]))),
  ...(traces === undefined || unreadable.length > 0 ? {} : { traces }),
});
