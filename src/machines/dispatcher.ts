import { assign, type ErrorActorEvent, enqueueActions, fromPromise, setup, stopChild } from 'xstate';
import { type EndpointOutcome, endpointMachine } from './endpoint.ts';
import { messageOf } from './job.ts';

/** What a look at all receivers finds. */
export interface Looked {
  /** Receivers that may be sent something now. */
  readonly due: readonly string[];
  /** How long until another one may be, in ms; undefined where nothing waits anywhere. */
  readonly wait: number | undefined;
}

export interface DispatcherInput {
  /** Receivers that are sent to at once. */
  readonly slots: number;
  /** Hooks that may be under way to one of them. */
  readonly perReceiver: number;
  /** From one look to the next, in ms, where nothing is known to be due before: others enqueue too. */
  readonly interval: number;
}

export type DispatcherEvent =
  /** Something was enqueued for a receiver here. */
  | { type: 'due'; origin: string }
  /** Somebody waits until nothing is due. */
  | { type: 'look' }
  /** From now on it looks on its own, for what others have left. */
  | { type: 'watch' }
  | { type: 'stop' }
  | { type: 'xstate.done.actor.*'; actorId: string; output: EndpointOutcome }
  | (ErrorActorEvent & { type: 'xstate.error.actor.*' });

export type DispatcherEmitted =
  /** Nothing is due, and nothing is under way. */
  { type: 'quiet' } | { type: 'fault'; where: string; error: string };

export interface DispatcherContext extends DispatcherInput {
  /** Slot → receiver that is sent to in it. */
  readonly inSlots: Readonly<Record<string, string>>;
  /** Receivers for which there was no slot yet. */
  readonly due: readonly string[];
  /** Receivers in a slot for which more has become due. */
  readonly again: readonly string[];
  /** How long until the next may be due, in ms, as told by the last look and by what has ended since that began. */
  readonly wait: number | undefined;
  readonly isWatching: boolean;
  readonly isStopping: boolean;
  /** The last look has failed: that is said once. */
  readonly isFailing: boolean;
}

/** Between two looks at the least, in ms. */
const leastPause = 50;

/** A delivery has ended, or its chart has broken: its slot is free. */
const ended = {
  type: 'freeSlot',
  params: ({ event }: { event: Extract<DispatcherEvent, { type: 'xstate.done.actor.*' }> }) => ({
    slot: event.actorId,
    outcome: event.output,
  }),
} as const;
const broken = {
  type: 'freeSlot',
  params: ({ event }: { event: Extract<DispatcherEvent, { type: 'xstate.error.actor.*' }> }) => ({
    slot: event.actorId,
    outcome: undefined,
    error: event.error,
  }),
} as const;

/**
 * What sees to it that hooks are sent: for each receiver with something due there is one `delivery` actor, as many as
 * there are slots.
 *
 * `asleep` until something is enqueued here or it is told to watch; `looking` which receivers are due; `watching` until
 * the next is due, or until others may have enqueued something. A delivery that leaves something for sooner than that
 * shortens the watch. With nothing waiting anywhere it falls `asleep` again, unless it was told to watch; after a look or
 * a delivery that has failed it does not know, and looks again. Told to stop, it is `stopping` until what is under way has ended, then `stopped`.
 */
export const dispatcherMachine = setup({
  types: {
    context: {} as DispatcherContext,
    input: {} as DispatcherInput,
    events: {} as DispatcherEvent,
    emitted: {} as DispatcherEmitted,
    children: {} as { [slot: `endpoint-${number}`]: 'endpoint' },
  },
  actors: {
    endpoint: endpointMachine,
    look: fromPromise<Looked>(() => Promise.reject(new Error('look was not provided'))),
  },
  delays: {
    nextLook: ({ context }) => Math.max(leastPause, Math.min(context.interval, context.wait ?? context.interval)),
  },
  guards: {
    isStopping: ({ context }) => context.isStopping,
    isDone: ({ context }) => Object.keys(context.inSlots).length === 0,
    isAtRest: ({ context }) =>
      !context.isWatching && context.wait === undefined && Object.keys(context.inSlots).length === 0,
    leavesSooner: ({ context }, { outcome }: { outcome: EndpointOutcome }) =>
      outcome.wait !== undefined && outcome.wait < (context.wait ?? context.interval),
  },
  actions: {
    noteDue: assign({
      due: ({ context }, { origin }: { origin: string }) =>
        isInSlot(context, origin) || context.due.includes(origin) ? context.due : [...context.due, origin],
      again: ({ context }, { origin }: { origin: string }) =>
        isInSlot(context, origin) && !context.again.includes(origin) ? [...context.again, origin] : context.again,
    }),
    tellDue: enqueueActions(({ enqueue, context }, { origin }: { origin: string }) => {
      for (const [slot, held] of Object.entries(context.inSlots)) {
        if (held === origin) enqueue.sendTo(slot as `endpoint-${number}`, { type: 'due' });
      }
    }),
    keepLooked: assign(({ context }, { looked }: { looked: Looked }) => ({
      wait: soonest(looked.wait, context.wait),
      isFailing: false,
      due: [
        ...context.due,
        ...looked.due.filter((origin) => !isInSlot(context, origin) && !context.due.includes(origin)),
      ],
    })),
    spawn: enqueueActions(({ enqueue, context }) => {
      if (context.isStopping) return;
      const free = Array.from({ length: context.slots }, (_, i) => `endpoint-${i}` as const).filter(
        (slot) => !(slot in context.inSlots),
      );
      const next = context.due.slice(0, free.length);
      const inSlots = { ...context.inSlots };
      for (const [i, origin] of next.entries()) {
        const id = free[i] as `endpoint-${number}`;
        inSlots[id] = origin;
        enqueue.spawnChild('endpoint', { id, input: { origin, slots: context.perReceiver } });
      }
      enqueue.assign({ inSlots, due: context.due.slice(next.length) });
    }),
    freeSlot: enqueueActions(
      ({ enqueue, context }, params: { slot: string; outcome: EndpointOutcome | undefined; error?: unknown }) => {
        enqueue(stopChild(params.slot));
        const { [params.slot]: origin = '', ...inSlots } = context.inSlots;
        const error = params.outcome === undefined ? messageOf(params.error) : params.outcome.error;
        // What it could not send is still due.
        const wait = error === undefined ? params.outcome?.wait : context.interval;
        enqueue.assign({
          inSlots,
          // What has become due while it ended is not left lying.
          due: context.again.includes(origin) ? [...context.due, origin] : context.due,
          again: context.again.filter((other) => other !== origin),
          wait: soonest(wait, context.wait),
        });
        if (error !== undefined) enqueue.emit({ type: 'fault', where: `sending hooks to ${origin}`, error });
      },
    ),
    stopDeliveries: enqueueActions(({ enqueue, context }) => {
      for (const slot of Object.keys(context.inSlots)) enqueue.sendTo(slot as `endpoint-${number}`, { type: 'stop' });
    }),
    // What a look finds replaces what the last one found, but not what ends while it looks.
    forgetWait: assign({ wait: undefined }),
    watch: assign({ isWatching: true }),
    stop: assign({ isStopping: true, due: [], again: [] }),
    tellQuiet: enqueueActions(({ enqueue, context }) => {
      if (Object.keys(context.inSlots).length === 0 && context.due.length === 0) enqueue.emit({ type: 'quiet' });
    }),
    report: enqueueActions(({ enqueue, context }, params: { error: unknown }) => {
      if (!context.isFailing) {
        enqueue.emit({ type: 'fault', where: 'looking for hooks to send', error: messageOf(params.error) });
      }
      enqueue.assign({ isFailing: true, wait: soonest(context.interval, context.wait) });
    }),
  },
}).createMachine({
  id: 'dispatcher',
  context: ({ input }) => ({
    ...input,
    inSlots: {},
    due: [],
    again: [],
    wait: undefined,
    isWatching: false,
    isStopping: false,
    isFailing: false,
  }),
  initial: 'asleep',
  on: {
    due: {
      actions: [
        { type: 'tellDue', params: ({ event }) => ({ origin: event.origin }) },
        { type: 'noteDue', params: ({ event }) => ({ origin: event.origin }) },
        'spawn',
      ],
    },
    watch: { actions: 'watch' },
    stop: { target: '.stopping', actions: 'stop' },
    'xstate.done.actor.*': { actions: [ended, 'spawn', 'tellQuiet'] },
    'xstate.error.actor.*': { actions: [broken, 'spawn', 'tellQuiet'] },
  },
  states: {
    asleep: {
      on: {
        due: {
          target: 'watching',
          actions: [{ type: 'noteDue', params: ({ event }) => ({ origin: event.origin }) }, 'spawn'],
        },
        look: 'looking',
        watch: { target: 'looking', actions: 'watch' },
      },
    },
    looking: {
      entry: 'forgetWait',
      invoke: {
        id: 'look',
        src: 'look',
        onDone: {
          target: 'watching',
          actions: [{ type: 'keepLooked', params: ({ event }) => ({ looked: event.output }) }, 'spawn', 'tellQuiet'],
        },
        onError: {
          target: 'watching',
          actions: [{ type: 'report', params: ({ event }) => ({ error: event.error }) }, 'tellQuiet'],
        },
      },
      on: {
        // Whether all is quiet, the look will tell.
        'xstate.done.actor.*': { actions: [ended, 'spawn'] },
        'xstate.error.actor.*': { actions: [broken, 'spawn'] },
      },
    },
    watching: {
      always: { guard: 'isAtRest', target: 'asleep' },
      after: { nextLook: 'looking' },
      on: {
        look: 'looking',
        'xstate.done.actor.*': {
          guard: { type: 'leavesSooner', params: ({ event }) => ({ outcome: event.output }) },
          target: 'watching',
          reenter: true,
          actions: [ended, 'spawn', 'tellQuiet'],
        },
      },
    },
    stopping: {
      entry: 'stopDeliveries',
      always: { guard: 'isDone', target: 'stopped' },
    },
    stopped: { type: 'final' },
  },
});

const soonest = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);

const isInSlot = ({ inSlots }: DispatcherContext, origin: string) => Object.values(inSlots).includes(origin);
