import { assign, setup } from 'xstate';
import type { Share } from './adoption.ts';
import { finalOutput } from './finalOutput.ts';
import { messageOf } from './messageOf.ts';
import type { SuspensionReason } from './refusal.ts';
import { changesOfCounters, changesOfLive, changesOfPool, withLocks } from './rescueChanges.ts';
import type { AppliedActs, Locks, PlannedChange } from './types/changes.ts';
import type { PoolOutcome } from './types/pool.ts';
import {
  emptyRescue,
  type Found,
  type Recounted,
  type RequeuedOrphans,
  type RescueRequest,
  type RescueResult,
} from './types/rescue.ts';
import { abortedPass } from './types/sweep.ts';

/** The id of a pass among those that are not complete. */
export type PassId = `pass-${number}`;

export const freeId = (taken: readonly PassId[]): PassId => {
  let i = 0;
  while (taken.includes(`pass-${i}`)) i += 1;
  return `pass-${i}`;
};

export interface RescuePassInput {
  /** Which pass it is of all passes of this process. */
  readonly pass: number;
  readonly request: RescueRequest;
}

export interface RescuePassContext {
  readonly pass: number;
  readonly result: RescueResult;
  /** Pools whose end is not known yet, whether this pass reports them or another one. */
  readonly awaits: number;
  readonly locks: Locks;
}

export interface RescuePassOutput {
  readonly pass: number;
  readonly result: RescueResult;
}

export type RescuePassEvent =
  | { type: 'found'; found: Found }
  /** Its share of the suspects that it has found, or pools that an aborted pass leaves to it. */
  | { type: 'adopted'; share: Share }
  /** Pools that it no longer reports or awaits: a caller's pass took them over, or its own was aborted. */
  | { type: 'released'; share: Share }
  | { type: 'recounted'; recounted: Recounted }
  | { type: 'requeued'; requeued: RequeuedOrphans }
  /** Pools have ended: those that this pass reports, and how many it awaited in all. */
  | { type: 'pools.ended'; outcomes: readonly PoolOutcome[]; count: number }
  /** A step failed: the pass continues, and its result says why it is not complete. */
  | { type: 'failed'; error: unknown }
  | { type: 'suspended'; reason: SuspensionReason | undefined }
  /** Everything was looked at: only pools may still be missing. */
  | { type: 'steps.ended' }
  /** Its caller has aborted it. */
  | { type: 'aborted' }
  /** The reaper stops: the result says so, unless it has an error already. */
  | { type: 'cutShort' }
  | { type: 'stop' };

/**
 * One rescue pass: adds up what its steps report.
 *
 * 1. `collecting`: the rescue takes its steps: pools, counters, orphaned entries.
 * 2. `awaitingPools`: all of that is done; waits for the end of each pool that the pass found.
 * 3. `complete` (final), with the result. After `stop` the pass ends at once, and its result says that it was cut short.
 *
 * A pass that its caller has aborted ends in the same way as others: its steps end early, and its pools are abandoned.
 *
 * Passes overlap: the next one may begin while this one awaits its pools.
 */
export const rescuePassMachine = setup({
  types: {
    context: {} as RescuePassContext,
    input: {} as RescuePassInput,
    events: {} as RescuePassEvent,
    output: {} as RescuePassOutput,
  },
  guards: {
    areAllPoolsEnded: ({ context }) => context.awaits === 0,
  },
  actions: {
    addFound: assign({
      result: ({ context: { result } }, { found }: { found: Found }) => ({
        ...result,
        alive: found.alive,
        clockAhead: found.clockAhead,
        unreadable: union(result.unreadable, found.unreadable),
      }),
    }),
    addShare: assign({
      result: ({ context: { result } }, { share }: { share: Share }) => ({
        ...result,
        suspects: result.suspects + share.reports,
      }),
      awaits: ({ context }, { share }: { share: Share }) => context.awaits + share.awaits,
    }),
    removeShare: assign({
      result: ({ context: { result } }, { share }: { share: Share }) => ({
        ...result,
        suspects: result.suspects - share.reports,
      }),
      awaits: ({ context }, { share }: { share: Share }) => context.awaits - share.awaits,
    }),
    addRecounted: assign({
      locks: (_, { recounted }: { recounted: Recounted }) => recounted.locks,
      result: ({ context: { result } }, { recounted }: { recounted: Recounted }) => ({
        ...result,
        drift: recounted.drift,
        changes: [...result.changes, ...changesOfCounters(recounted)],
        ...withActs(result, recounted),
        unreadable: union(result.unreadable, recounted.unreadable),
      }),
    }),
    addRequeued: assign({
      result: ({ context: { result } }, { requeued }: { requeued: RequeuedOrphans }) => ({
        ...result,
        orphaned: result.orphaned + requeued.orphaned.length,
        quarantined: result.quarantined + requeued.poison.length,
        changes: [...result.changes, ...changesOfLive(requeued)],
        ...withActs(result, requeued),
        finished: result.finished + requeued.finished.length,
        unobserved: requeued.unobserved,
        undecided: requeued.undecided,
        oldestUndecidedS: requeued.oldestUndecidedS,
      }),
    }),
    addPools: assign(({ context }, { outcomes, count }: { outcomes: readonly PoolOutcome[]; count: number }) => ({
      result: outcomes.reduce(withOutcome, context.result),
      awaits: context.awaits - count,
    })),
    fail: assign({
      result: ({ context: { result } }, { error }: { error: unknown }) => ({
        ...result,
        error: messageOf(error),
        cause: error,
      }),
    }),
    suspend: assign({
      result: ({ context: { result } }, { reason }: { reason: SuspensionReason | undefined }) => ({
        ...result,
        ...(reason && { suspended: reason }),
      }),
    }),
    abort: assign({ result: ({ context: { result } }) => ({ ...result, ...abortedPass }) }),
    cutShort: assign({ result: ({ context: { result } }) => ({ error: 'the reaper is stopped', ...result }) }),
  },
}).createMachine({
  id: 'rescuePass',
  description: 'One rescue pass: adds up what its steps report.',
  context: ({ input }) => ({
    pass: input.pass,
    result: emptyRescue(input.request),
    awaits: 0,
    locks: new Map(),
  }),
  output: finalOutput<RescuePassOutput>,
  on: {
    adopted: { actions: { type: 'addShare', params: ({ event }) => ({ share: event.share }) } },
    released: { actions: { type: 'removeShare', params: ({ event }) => ({ share: event.share }) } },
    aborted: { actions: 'abort' },
    'pools.ended': {
      actions: { type: 'addPools', params: ({ event }) => ({ outcomes: event.outcomes, count: event.count }) },
    },
    cutShort: { actions: 'cutShort' },
    stop: { target: '.complete', actions: 'cutShort' },
  },
  initial: 'collecting',
  states: {
    collecting: {
      description: 'The rescue takes its steps: pools, counters, orphaned entries.',
      on: {
        found: { actions: { type: 'addFound', params: ({ event }) => ({ found: event.found }) } },
        recounted: { actions: { type: 'addRecounted', params: ({ event }) => ({ recounted: event.recounted }) } },
        requeued: { actions: { type: 'addRequeued', params: ({ event }) => ({ requeued: event.requeued }) } },
        failed: { actions: { type: 'fail', params: ({ event }) => ({ error: event.error }) } },
        suspended: { actions: { type: 'suspend', params: ({ event }) => ({ reason: event.reason }) } },
        'steps.ended': 'awaitingPools',
      },
    },
    awaitingPools: {
      description: 'Everything was looked at; waits for the end of each pool that the pass found.',
      always: { guard: 'areAllPoolsEnded', target: 'complete' },
    },
    complete: {
      type: 'final',
      description: 'The result is complete, or says why it is not.',
      output: ({ context: { pass, result, locks } }) => ({
        pass,
        result: { ...result, changes: withLocks(result.changes, locks) },
      }),
    },
  },
});

const withOutcome = (result: RescueResult, outcome: PoolOutcome): RescueResult => ({
  ...result,
  pools: { ...result.pools, [outcome.outcome]: result.pools[outcome.outcome] + 1 },
  entries: result.entries + outcome.entries,
  quarantined: result.quarantined + outcome.quarantined,
  changes: [...result.changes, ...changesOfPool(outcome)],
  ...withActs(result, { acts: outcome.act === undefined ? [] : [outcome.act] }),
  unreadable: union(result.unreadable, outcome.unreadable ?? []),
});

/** The acts of a plan, and what became of those that were done later. */
const withActs = (
  { acts, applied }: Pick<RescueResult, 'acts' | 'applied'>,
  more: { readonly acts?: readonly PlannedChange[]; readonly applied?: AppliedActs },
): Pick<RescueResult, 'acts' | 'applied'> => ({
  ...(acts === undefined ? {} : { acts: [...acts, ...(more.acts ?? [])] }),
  ...(applied === undefined
    ? {}
    : {
        applied: {
          done: [...applied.done, ...(more.applied?.done ?? [])],
          left: [...applied.left, ...(more.applied?.left ?? [])],
        },
      }),
});

const union = (some: readonly string[], more: readonly string[]): readonly string[] => [...new Set([...some, ...more])];
