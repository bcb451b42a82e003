import { assign, setup } from 'xstate';

/**
 * One job's life as Redis shows it, written from the rules of design.md part 4 and not from the charts. It imports
 * nothing of src, invokes nothing and knows no clock: ages are words.
 */
export type Status = 'Pending' | 'Running' | 'Success' | 'Error';
export type Age = 'just now' | 'a while ago' | 'beyond the limit' | 'ahead of the clock';
export interface Report {
  readonly verdict: string;
  readonly reason: string;
  readonly outcome: string;
}
export interface Life {
  /** Value of the track field; 0: not tracked. */
  readonly count: number;
  readonly stats: boolean;
  readonly status: Status;
  readonly ack: Status | 'none';
  /** A check-in that the receiver has not confirmed. */
  readonly news: boolean;
  readonly age: Age;
  /** Where it is seen that it is, or will be, worked on. */
  readonly evidence: 'none' | 'in-queue' | 'observed';
  readonly up: boolean;
  /** A hook is noted whose receiver has not taken it; it is tried again before the next sweep is over. */
  readonly pending: boolean;
  /** What the last sweep said and how many hooks it sent. */
  readonly report: Report | undefined;
  readonly hooks: number;
}
export type Happening =
  | 'saved'
  | 'run'
  | 'checkedIn'
  | 'finished'
  | 'acked'
  | 'receiverDown'
  | 'receiverUp'
  | 'graceOver'
  | 'silence'
  | 'clockLeapt'
  | 'enqueued'
  | 'entryLost'
  | 'observed'
  | 'workerDied'
  | 'statusWriteLost'
  | 'statsDeleted'
  | 'sweep'
  | 'sweepOvertaken'
  | 'sweepFenced';

const order = { none: -1, Pending: 0, Running: 1, Success: 2, Error: 2 };
const isFinal = (status: Status) => order[status] === 2;

/**
 * What is noted is told as it is then: the receiver takes it and the job is counted down, or it is down and it stays
 * noted. There is nothing to tell of a job without stats, or of a state that is confirmed.
 */
const told = (life: Life): Life => {
  if (!life.pending) return life;
  if (!life.stats || (order[life.ack] >= order[life.status] && !life.news)) return { ...life, pending: false };
  if (!life.up) return { ...life, hooks: 1 };
  return {
    ...life,
    pending: false,
    ack: life.status,
    news: false,
    count: isFinal(life.status) ? Math.max(0, life.count - 1) : life.count,
    hooks: 1,
  };
};

const say = (life: Life, verdict: string, reason: string, outcome: string): Life => ({
  ...life,
  report: { verdict, reason, outcome },
});

export const swept = (before: Life): Life => told(judged({ ...before, report: undefined, hooks: 0 }));

const judged = (life: Life): Life => {
  if (life.count === 0) return life;
  if (!life.stats) return say({ ...life, count: 0 }, 'untrack', 'missing-stats', 'done');
  if (order[life.ack] > order[life.status]) {
    const status = life.ack as Status;
    const count = isFinal(status) ? life.count - 1 : life.count;
    return say({ ...life, status, count, age: 'just now' }, 'reset', 'behind', 'done');
  }
  if (!isFinal(life.status) && life.age === 'ahead of the clock') return say(life, 'keep', 'clock-ahead', 'kept');
  if (!isFinal(life.status) && life.age === 'beyond the limit') {
    if (life.evidence !== 'none') return say(life, 'keep', life.evidence, 'kept');
    const failed: Life = { ...life, status: 'Error', count: life.count - 1, age: 'just now' };
    return say({ ...failed, pending: true }, 'fail', 'hung', 'done');
  }
  if (life.ack === life.status && !life.news) {
    return isFinal(life.status)
      ? say({ ...life, count: 0 }, 'untrack', 'acknowledged', 'done')
      : say(life, 'keep', 'ongoing', 'kept');
  }
  if (life.age === 'just now') return say(life, 'keep', 'recently-updated', 'kept');
  return say({ ...life, pending: true }, 'refire', 'unacknowledged', 'enqueued');
};

/** Another host takes the lease while a job is judged: what was to be done is left to it. What is noted is told all the same. */
const fenced = (before: Life): Life => {
  const life: Life = { ...before, report: undefined, hooks: 0 };
  const { report } = judged(life);
  return told(report === undefined ? life : { ...life, report: { ...report, outcome: 'fenced' } });
};
const acts = (life: Life) => {
  const outcome = judged({ ...life, report: undefined }).report?.outcome;
  return outcome !== undefined && outcome !== 'kept';
};

const become = (change: Partial<Life>) =>
  assign<Life, { type: Happening }, undefined, { type: Happening }, never>({ report: undefined, hooks: 0, ...change });
const sweep = assign<Life, { type: Happening }, undefined, { type: Happening }, never>(({ context }) => swept(context));
/** The job checks in between the judgement and the act: what was judged hung is judged again, and lives. */
const overtaken = assign<Life, { type: Happening }, undefined, { type: Happening }, never>(({ context }) =>
  swept({ ...context, age: 'a while ago' }),
);
const sweepFenced = assign<Life, { type: Happening }, undefined, { type: Happening }, never>(({ context }) =>
  fenced(context),
);
const route = [
  { guard: 'isGone' as const, target: '#spec.untracked' },
  { guard: 'isRunning' as const, target: '#spec.running' },
  { guard: 'isFinal' as const, target: '#spec.final' },
];

export const specification = setup({
  types: { context: {} as Life, events: {} as { type: Happening } },
  guards: {
    isGone: ({ context }) => context.count === 0,
    isRunning: ({ context }) => context.status === 'Running',
    isFinal: ({ context }) => isFinal(context.status),
    isHung: ({ context }) =>
      context.age === 'beyond the limit' && context.evidence === 'none' && order[context.ack] <= order[context.status],
    isSeen: ({ context }) => context.evidence !== 'none',
    isUnseen: ({ context }) => context.evidence === 'none',
    // (What is noted already is told at any moment of such a sweep: it would be judged before or after.)
    wouldAct: ({ context }) => context.up && !context.pending && acts(context),
    isDown: ({ context }) => !context.up,
    isUp: ({ context }) => context.up,
  },
}).createMachine({
  id: 'spec',
  context: {
    count: 0,
    stats: false,
    status: 'Pending',
    ack: 'none',
    news: false,
    age: 'just now',
    evidence: 'none',
    up: true,
    pending: false,
    report: undefined,
    hooks: 0,
  },
  initial: 'unborn',
  on: {
    receiverDown: { guard: 'isUp', actions: become({ up: false }) },
    receiverUp: { guard: 'isDown', actions: become({ up: true }) },
  },
  states: {
    unborn: { on: { saved: { target: 'pending', actions: become({ count: 2, stats: true, age: 'a while ago' }) } } },
    pending: {
      on: {
        run: { target: 'running', actions: become({ status: 'Running', age: 'a while ago', evidence: 'none' }) },
        acked: { actions: become({ ack: 'Pending' }) },
        enqueued: { guard: 'isUnseen', actions: become({ evidence: 'in-queue' }) },
        entryLost: { guard: 'isSeen', actions: become({ evidence: 'none' }) },
        silence: { actions: become({ age: 'beyond the limit' }) },
        statsDeleted: { target: 'lost', actions: become({ stats: false }) },
        sweep: { target: 'swept', actions: sweep },
        sweepFenced: { guard: 'wouldAct', target: 'swept', actions: sweepFenced },
        sweepOvertaken: { guard: 'isHung', target: 'swept', actions: overtaken },
      },
    },
    running: {
      on: {
        checkedIn: { actions: become({ news: true, age: 'a while ago' }) },
        finished: { target: 'final', actions: become({ status: 'Success', age: 'a while ago', evidence: 'none' }) },
        acked: { actions: become({ ack: 'Running', news: false }) },
        // The clock of its host is set right by what it writes next.
        clockLeapt: { guard: 'isUnseen', actions: become({ age: 'ahead of the clock' }) },
        observed: { guard: 'isUnseen', actions: become({ evidence: 'observed' }) },
        workerDied: { guard: 'isSeen', actions: become({ evidence: 'none' }) },
        silence: { actions: become({ age: 'beyond the limit' }) },
        statusWriteLost: { actions: become({ ack: 'Success', news: false }) },
        statsDeleted: { target: 'lost', actions: become({ stats: false }) },
        sweep: { target: 'swept', actions: sweep },
        sweepFenced: { guard: 'wouldAct', target: 'swept', actions: sweepFenced },
        sweepOvertaken: { guard: 'isHung', target: 'swept', actions: overtaken },
      },
    },
    final: {
      on: {
        graceOver: { actions: become({ age: 'a while ago' }) },
        statsDeleted: { target: 'lost', actions: become({ stats: false }) },
        sweep: { target: 'swept', actions: sweep },
        sweepFenced: { guard: 'wouldAct', target: 'swept', actions: sweepFenced },
      },
    },
    lost: {
      on: {
        sweep: { target: 'swept', actions: sweep },
        sweepFenced: { guard: 'wouldAct', target: '#spec.lost', actions: sweepFenced },
      },
    },
    swept: { always: [...route, { target: '#spec.pending' }] },
    untracked: { on: { sweep: { actions: sweep } } },
  },
});
