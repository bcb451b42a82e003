import { assign, type ErrorActorEvent, enqueueActions, setup } from 'xstate';
import { leave } from './abortedPools.ts';
import { type Adoption, adopt } from './adoption.ts';
import { type Fence, FencedError, isSameTerm } from './lease.ts';
import { poolMachine } from './pool.ts';
import type { PoolOutput, PoolResult, Suspect } from './types/pool.ts';
import type { RescueRequest } from './types/rescue.ts';
import {
  abandonedPool,
  addToGraces,
  byUrgency,
  filterGraces,
  type Grace,
  type PassRef,
  type WaitingPool,
  waitingIn,
} from './waitingPools.ts';

export interface PoolsInput {
  /** How many pools are worked on at the same time. */
  readonly slots: number;
  /** How long a suspect may prove that it is alive, where a request does not say, in ms. */
  readonly grace: number;
  /** The fence of the present term of this host. */
  readonly fence: Fence | undefined;
}

export interface PoolsContext {
  readonly slotCount: number;
  readonly defaultGrace: number;
  readonly fence: Fence | undefined;
  /** Suspects whose grace is not over: it runs for all of them side by side. */
  readonly graces: readonly Grace[];
  /** The moment for which the one timer is set, in monotonic ms. */
  readonly timedFor: number | undefined;
  /** Suspects whose grace is over and that wait for a slot, those that hold entries first. */
  readonly suspects: readonly WaitingPool[];
  /** Slot → the pool that is worked on in it. */
  readonly slots: Readonly<Record<string, WaitingPool>>;
}

export type PoolsEvent =
  /** A pass has found suspects. */
  | { type: 'adopt'; pass: PassRef; request: RescueRequest; found: readonly Suspect[] }
  /** The pass has rebuilt the counters, so that pools may be worked on: suspects without a grace at once. */
  | { type: 'release'; request: RescueRequest }
  /** Sent by the machine to itself: the grace of the suspects that waited longest is over. */
  | { type: 'grace.over'; dueAt: number }
  /** The caller of a pass has aborted it: pools that no other pass reports or awaits are given up. */
  | { type: 'cancel'; pass: string }
  | { type: 'term.changed'; fence: Fence | undefined }
  | { type: 'stop' }
  | { type: 'xstate.done.actor.*'; actorId: string; output: PoolOutput }
  | (ErrorActorEvent & { type: 'xstate.error.actor.*' });

export interface PoolsOutput {
  /** How many suspects still waited: none. */
  readonly waiting: number;
}

export interface EndedPool {
  readonly pool: WaitingPool;
  readonly outcome: PoolResult;
}

/** Messages from the pools to the rescue. */
export type PoolsMessage =
  /** Which passes report and await more pools than before, or fewer. */
  | ({ readonly type: 'pools.shared' } & Pick<Adoption, 'gains' | 'losses'>)
  | { readonly type: 'pools.ended'; readonly ends: readonly EndedPool[] }
  /** Pools of these passes were ready for a slot when the reaper was stopped. */
  | { readonly type: 'pools.cutShort'; readonly passes: readonly string[] };

type SlotId = `pool-${number}`;

/** What the chart of the pools uses: actors, delays, guards and actions. */
export const poolsSetup = setup({
  types: {
    context: {} as PoolsContext,
    input: {} as PoolsInput,
    events: {} as PoolsEvent,
    output: {} as PoolsOutput,
    children: {} as { [slot: SlotId]: 'pool' },
  },
  actors: { pool: poolMachine },
  delays: {
    // The reaper provides it: it knows what time it is.
    graceLeft: ({ context }) => context.graces[0]?.pools[0]?.input.grace ?? 0,
  },
  guards: {
    areSlotsFree: ({ context }) => Object.keys(context.slots).length === 0,
  },
  actions: {
    adopt: enqueueActions(
      ({ enqueue, context }, params: { pass: PassRef; request: RescueRequest; found: readonly Suspect[] }) => {
        const { gains, losses, graces, suspects, slots } = adopt(context, {
          ...params,
          defaultGrace: context.defaultGrace,
        });
        enqueue.assign({ graces, suspects, slots });
        enqueue.sendParent({ type: 'pools.shared', gains, losses } satisfies PoolsMessage);
      },
    ),
    // A caller without a grace also means the pools that wait already. A plan changes nothing for rescues.
    skipGraces: assign(({ context }, { request }: { request: RescueRequest }) => {
      if (request.grace !== 0) return {};
      const isMeant = ({ input: { plan, suspect } }: WaitingPool) =>
        plan === request.plan && request.scope?.pools.includes(suspect.pool) !== false;
      const released = context.graces.flatMap(({ pools }) => pools.filter(isMeant));
      return {
        graces: filterGraces(context.graces, (pool) => !isMeant(pool)),
        suspects: byUrgency([...context.suspects, ...released]),
      };
    }),
    // The timer of a grace that was abandoned must not end the next one.
    endGrace: assign(({ context: { graces, suspects } }, { dueAt }: { dueAt: number }) => {
      const [first, ...later] = graces;
      if (first === undefined || first.dueAt !== dueAt) return {};
      return { graces: later, suspects: byUrgency([...suspects, ...first.pools]), timedFor: undefined };
    }),
    // One timer, however many wait.
    timeGrace: enqueueActions(({ enqueue, context }) => {
      const dueAt = context.graces[0]?.dueAt;
      if (dueAt === context.timedFor) return;
      enqueue.cancel('grace');
      enqueue.assign({ timedFor: dueAt });
      if (dueAt !== undefined) enqueue.raise({ type: 'grace.over', dueAt }, { id: 'grace', delay: 'graceLeft' });
    }),
    fillSlots: enqueueActions(({ enqueue, context }) => {
      const free = slotIds(context.slotCount).filter((slot) => !(slot in context.slots));
      const next = context.suspects.slice(0, free.length);
      if (next.length === 0) return;
      const slots = { ...context.slots };
      for (const [i, pool] of next.entries()) {
        const id = free[i] as SlotId;
        slots[id] = pool;
        enqueue.spawnChild('pool', { id, input: pool.input });
      }
      enqueue.assign({ slots, suspects: context.suspects.slice(next.length) });
    }),
    endPool: enqueueActions(({ enqueue, context }, { slot, output }: { slot: string; output: PoolOutput }) => {
      const { pool, slots } = freed(context, slot);
      enqueue.stopChild(slot);
      enqueue.assign({ slots });
      if (output.outcome !== 'again') return enqueue.sendParent(ended({ pool, outcome: output }));
      if (pool.isAborted) {
        return enqueue.sendParent(ended({ pool, outcome: abandonedPool(output.input, abortedFirst) }));
      }
      // A caller may have taken the pool over since its actor began.
      const { suspect, grace } = pool.input;
      const { fence, planned } = suspect;
      if (fence !== undefined && !isSameTerm(fence, context.fence)) {
        return enqueue.sendParent(ended({ pool, outcome: abandonedPool(output.input, new FencedError()) }));
      }
      const input = { ...output.input, grace, suspect: { ...output.input.suspect, fence, planned } };
      return enqueue.assign({ graces: addToGraces(context.graces, [{ ...pool, input }]) });
    }),
    endStoppedPool: enqueueActions(({ enqueue, context }, { slot, output }: { slot: string; output: PoolOutput }) => {
      const { pool, slots } = freed(context, slot);
      enqueue.stopChild(slot);
      enqueue.assign({ slots });
      const outcome = output.outcome === 'again' ? abandonedPool(output.input, stoppedFirst) : output;
      enqueue.sendParent(ended({ pool, outcome }));
    }),
    abandonPool: enqueueActions(({ enqueue, context }, { slot, error }: { slot: string; error: unknown }) => {
      const { pool, slots } = freed(context, slot);
      enqueue.stopChild(slot);
      enqueue.assign({ slots });
      enqueue.sendParent(ended({ pool, outcome: abandonedPool(pool.input, error) }));
    }),
    abandonFenced: enqueueActions(({ enqueue, context }, { fence }: { fence: Fence | undefined }) => {
      const isOver = ({ input: { suspect } }: WaitingPool) =>
        suspect.fence !== undefined && !isSameTerm(suspect.fence, fence);
      for (const [slot, pool] of Object.entries(context.slots)) {
        if (isOver(pool)) enqueue.sendTo(slot as SlotId, { type: 'stop' });
      }
      const over = waitingIn(context).filter(isOver);
      enqueue.assign({
        fence,
        graces: filterGraces(context.graces, (pool) => !isOver(pool)),
        suspects: context.suspects.filter((pool) => !isOver(pool)),
      });
      if (over.length > 0) enqueue.sendParent(abandoned(over, new FencedError()));
    }),
    abandonAborted: enqueueActions(({ enqueue, context }, { pass }: { pass: string }) => {
      const { gains, losses, over, ...left } = leave(context, pass);
      enqueue.assign(left);
      enqueue.sendParent({ type: 'pools.shared', gains, losses } satisfies PoolsMessage);
      if (over.length > 0) enqueue.sendParent(abandoned(over, abortedFirst));
      for (const [slot, pool] of Object.entries(left.slots)) {
        // A step that has begun is finished, and so is the pool.
        if (pool.isAborted) enqueue.sendTo(slot as SlotId, { type: 'stop' });
      }
    }),
    abandonWaiting: enqueueActions(({ enqueue, context }) => {
      const waiting = waitingIn(context);
      const passes = new Set(
        context.suspects.flatMap((pool) => [...pool.reportedBy, ...pool.awaitedBy]).map(({ id }) => id),
      );
      enqueue.assign({ graces: [], suspects: [] });
      // Before the ends, which may be the last that a pass waits for.
      if (passes.size > 0) enqueue.sendParent({ type: 'pools.cutShort', passes: [...passes] } satisfies PoolsMessage);
      if (waiting.length > 0) enqueue.sendParent(abandoned(waiting, stoppedFirst));
    }),
    stopPools: enqueueActions(({ enqueue, context }) => {
      for (const slot of Object.keys(context.slots)) enqueue.sendTo(slot as SlotId, { type: 'stop' });
    }),
  },
});

const stoppedFirst = 'stopped before it was confirmed dead';
const abortedFirst = 'its pass was aborted before it was confirmed dead';

const slotIds = (count: number): readonly SlotId[] => Array.from({ length: count }, (_, i) => `pool-${i}` as const);

const freed = (context: PoolsContext, slot: string) => {
  const { [slot]: pool, ...slots } = context.slots;
  return { pool: pool as WaitingPool, slots };
};

const ended = (...ends: readonly EndedPool[]): PoolsMessage => ({ type: 'pools.ended', ends });
const abandoned = (pools: readonly WaitingPool[], error: unknown): PoolsMessage =>
  ended(...pools.map((pool) => ({ pool, outcome: abandonedPool(pool.input, error) })));
