import { assign, setup } from 'xstate';

/**
 * One queue entry's life with workers that die of it, as Redis shows it: written from the rules on poison jobs and not from
 * the charts. It imports nothing of src, invokes nothing and knows no clock. Three recoveries are allowed.
 */
export interface EntryLife {
  /** Recoveries within the window that are noted. */
  readonly recoveries: number;
  /** How many of them led to a quarantine that a person has ended by gocraft's tool: they count no longer. */
  readonly forgiven: number;
  /** A record of the quarantine stands in Redis. */
  readonly record: boolean;
  readonly status: 'Pending' | 'Running' | 'Error';
  /** What the last release or drop said. */
  readonly said: 'nothing' | 'done' | 'gone' | 'none';
}
export type EntryHappening =
  | 'taken'
  | 'workerDied'
  | 'finished'
  | 'windowPassed'
  | 'retriedByGocraft'
  | 'listed'
  | 'released'
  | 'dropped';

type Assign = Parameters<
  typeof assign<EntryLife, { type: EntryHappening }, undefined, { type: EntryHappening }, never>
>[0];
const become = (change: Assign) =>
  assign<EntryLife, { type: EntryHappening }, undefined, { type: EntryHappening }, never>(change);

/** Nothing of it is in `dead`: whoever ends a quarantine finds at most a record to remove. */
const forget = {
  recoveries: ({ context }: { context: EntryLife }) => context.recoveries - context.forgiven,
  forgiven: 0,
  record: false,
};
const ended = become({ ...forget, said: ({ context }) => (context.record ? 'gone' : 'none') });
const elsewhere = {
  windowPassed: { actions: become({ recoveries: 0, forgiven: 0, said: 'nothing' }) },
  listed: { actions: become({ ...forget, said: 'nothing' }) },
  released: { actions: ended },
  dropped: { actions: ended },
} as const;

export const entrySpecification = setup({
  types: { context: {} as EntryLife, events: {} as { type: EntryHappening } },
  guards: { mayGoBack: ({ context }) => context.recoveries - context.forgiven < 3 },
}).createMachine({
  id: 'entry',
  context: { recoveries: 0, forgiven: 0, record: false, status: 'Pending', said: 'nothing' },
  initial: 'queued',
  states: {
    queued: {
      on: { ...elsewhere, taken: { target: 'held', actions: become({ status: 'Running', said: 'nothing' }) } },
    },
    held: {
      on: {
        ...elsewhere,
        finished: { target: 'done', actions: become({ said: 'nothing' }) },
        workerDied: [
          {
            guard: 'mayGoBack',
            target: 'queued',
            // What counts no longer is dropped when it would matter.
            actions: become({
              recoveries: ({ context }) =>
                context.recoveries >= 3 ? context.recoveries - context.forgiven + 1 : context.recoveries + 1,
              forgiven: ({ context }) => (context.recoveries >= 3 ? 0 : context.forgiven),
              said: 'nothing',
            }),
          },
          { target: 'dead', actions: become({ record: true, status: 'Error', said: 'nothing' }) },
        ],
      },
    },
    dead: {
      on: {
        windowPassed: { actions: become({ recoveries: 0, said: 'nothing' }) },
        listed: { actions: become({ said: 'nothing' }) },
        released: { target: 'queued', actions: become({ recoveries: 0, record: false, said: 'done' }) },
        dropped: { target: 'done', actions: become({ recoveries: 0, record: false, said: 'done' }) },
        retriedByGocraft: {
          target: 'queued',
          actions: become({ forgiven: ({ context }) => context.recoveries, said: 'nothing' }),
        },
      },
    },
    done: { on: { released: { actions: ended } } },
  },
});
