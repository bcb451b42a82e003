import { assign, setup } from 'xstate';

/**
 * The life of one queue entry whose workers die, as Redis shows it. It is written from the rules for poison jobs, not from the
 * charts: it imports nothing from src, invokes no actors and has no clock. Three recoveries are allowed.
 */
export interface EntryLife {
  /** Recorded recoveries within the window. */
  readonly recoveries: number;
  /** How many of them led to a quarantine that a person ended with gocraft's tool. These do not count any more. */
  readonly forgiven: number;
  /** Redis has a record of the quarantine. */
  readonly record: boolean;
  readonly status: 'Pending' | 'Running' | 'Error';
  /** The result of the latest release or drop. */
  readonly said: 'nothing' | 'done' | 'gone' | 'none';
}
export type EntryEvent =
  | 'taken'
  | 'workerDied'
  | 'finished'
  | 'windowPassed'
  | 'retriedByGocraft'
  | 'listed'
  | 'released'
  | 'dropped';

type Assign = Parameters<typeof assign<EntryLife, { type: EntryEvent }, undefined, { type: EntryEvent }, never>>[0];
const become = (change: Assign) =>
  assign<EntryLife, { type: EntryEvent }, undefined, { type: EntryEvent }, never>(change);

/** The entry is not in `dead`: a release or drop finds at most a record, and removes it. */
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
  types: { context: {} as EntryLife, events: {} as { type: EntryEvent } },
  guards: { mayRequeue: ({ context }) => context.recoveries - context.forgiven < 3 },
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
            guard: 'mayRequeue',
            target: 'queued',
            // Recoveries that do not count any more are removed when the limit is reached.
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
