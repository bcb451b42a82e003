import { assign, setup } from 'xstate';

/**
 * The life of one job, as Redis shows it. It is written from the rules for verdicts, not from the charts: it imports nothing
 * from src, invokes no actors and has no clock. Ages are words.
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
  /** The endpoint has not confirmed the latest check-in. */
  readonly hasNewCheckIn: boolean;
  readonly age: Age;
  /** Where the job is found: in its queue, or run by a worker. */
  readonly evidence: 'none' | 'in-queue' | 'observed';
  /** Whether the endpoint answers 2xx. */
  readonly up: boolean;
  /** Of which state of the job a hook is pending. It is attempted again before the next sweep ends, with the present state. */
  readonly pending: 'none' | 'an earlier one' | 'the present one';
  /** What the latest sweep reported, and how many hooks were sent. */
  readonly report: Report | undefined;
  readonly hooks: number;
}
export type SpecEvent =
  | 'saved'
  | 'run'
  | 'checkedIn'
  | 'finished'
  | 'acked'
  | 'endpointDown'
  | 'endpointUp'
  | 'graceOver'
  | 'silence'
  | 'clockJumped'
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
 * Sends a pending hook with the job's current state. If the endpoint is up, the hook is delivered and the job counted down;
 * otherwise the hook stays pending. No hook is sent for a job without stats, or for a confirmed state.
 */
const deliver = (life: Life): Life => {
  if (life.pending === 'none') return life;
  if (!life.stats || (order[life.ack] >= order[life.status] && !life.hasNewCheckIn))
    return { ...life, pending: 'none' };
  if (!life.up) return { ...life, pending: 'the present one', hooks: 1 };
  return {
    ...life,
    pending: 'none',
    ack: life.status,
    hasNewCheckIn: false,
    count: isFinal(life.status) ? Math.max(0, life.count - 1) : life.count,
    hooks: 1,
  };
};

const say = (life: Life, verdict: string, reason: string, outcome: string): Life => ({
  ...life,
  report: { verdict, reason, outcome },
});

export const swept = (before: Life): Life => deliver(judged({ ...before, report: undefined, hooks: 0 }));

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
    return say({ ...failed, pending: 'the present one' }, 'fail', 'hung', 'done');
  }
  if (life.ack === life.status && !life.hasNewCheckIn) {
    return isFinal(life.status)
      ? say({ ...life, count: 0 }, 'untrack', 'acknowledged', 'done')
      : say(life, 'keep', 'ongoing', 'kept');
  }
  if (life.age === 'just now') return say(life, 'keep', 'recently-updated', 'kept');
  // A hook of this very state waits already.
  const outcome = life.pending === 'the present one' ? 'already-pending' : 'enqueued';
  return say({ ...life, pending: 'the present one' }, 'refire', 'unacknowledged', outcome);
};

/** Another host takes the lease while a job is judged: the act is left to that host. A pending hook is sent all the same. */
const fenced = (before: Life): Life => {
  const life: Life = { ...before, report: undefined, hooks: 0 };
  const { report } = judged(life);
  return deliver(report === undefined ? life : { ...life, report: { ...report, outcome: 'fenced' } });
};
const acts = (life: Life) => {
  const outcome = judged({ ...life, report: undefined }).report?.outcome;
  return outcome !== undefined && outcome !== 'kept';
};

const become = (change: Partial<Life>) =>
  assign<Life, { type: SpecEvent }, undefined, { type: SpecEvent }, never>({ report: undefined, hooks: 0, ...change });
/** The same, for a change of the status or the revision. */
const begin = (change: Partial<Life>) =>
  assign<Life, { type: SpecEvent }, undefined, { type: SpecEvent }, never>(({ context: { pending } }) => ({
    ...{ report: undefined, hooks: 0, pending: pending === 'none' ? 'none' : 'an earlier one' },
    ...change,
  }));
const sweep = assign<Life, { type: SpecEvent }, undefined, { type: SpecEvent }, never>(({ context }) => swept(context));
/** The job checks in between the judgement and the act: a job that looked hung is judged again, and is not hung. */
const overtaken = assign<Life, { type: SpecEvent }, undefined, { type: SpecEvent }, never>(({ context }) =>
  swept({ ...context, age: 'a while ago' }),
);
const sweepFenced = assign<Life, { type: SpecEvent }, undefined, { type: SpecEvent }, never>(({ context }) =>
  fenced(context),
);
const route = [
  { guard: 'isGone' as const, target: '#spec.untracked' },
  { guard: 'isRunning' as const, target: '#spec.running' },
  { guard: 'isFinal' as const, target: '#spec.final' },
];

export const specification = setup({
  types: { context: {} as Life, events: {} as { type: SpecEvent } },
  guards: {
    isGone: ({ context }) => context.count === 0,
    isRunning: ({ context }) => context.status === 'Running',
    isFinal: ({ context }) => isFinal(context.status),
    isHung: ({ context }) =>
      context.age === 'beyond the limit' && context.evidence === 'none' && order[context.ack] <= order[context.status],
    isSeen: ({ context }) => context.evidence !== 'none',
    isUnseen: ({ context }) => context.evidence === 'none',
    // Without a pending hook: its delivery could come before or after the judgement.
    wouldAct: ({ context }) => context.up && context.pending === 'none' && acts(context),
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
    hasNewCheckIn: false,
    age: 'just now',
    evidence: 'none',
    up: true,
    pending: 'none',
    report: undefined,
    hooks: 0,
  },
  initial: 'unsaved',
  on: {
    endpointDown: { guard: 'isUp', actions: become({ up: false }) },
    endpointUp: { guard: 'isDown', actions: become({ up: true }) },
  },
  states: {
    unsaved: { on: { saved: { target: 'pending', actions: become({ count: 2, stats: true, age: 'a while ago' }) } } },
    pending: {
      on: {
        run: { target: 'running', actions: begin({ status: 'Running', age: 'a while ago', evidence: 'none' }) },
        acked: { actions: become({ ack: 'Pending' }) },
        enqueued: { guard: 'isUnseen', actions: become({ evidence: 'in-queue' }) },
        entryLost: { guard: 'isSeen', actions: become({ evidence: 'none' }) },
        silence: { actions: begin({ age: 'beyond the limit' }) },
        statsDeleted: { target: 'lost', actions: become({ stats: false }) },
        sweep: { target: 'swept', actions: sweep },
        sweepFenced: { guard: 'wouldAct', target: 'swept', actions: sweepFenced },
        sweepOvertaken: { guard: 'isHung', target: 'swept', actions: overtaken },
      },
    },
    running: {
      on: {
        checkedIn: { actions: become({ hasNewCheckIn: true, age: 'a while ago' }) },
        finished: { target: 'final', actions: begin({ status: 'Success', age: 'a while ago', evidence: 'none' }) },
        acked: { actions: become({ ack: 'Running', hasNewCheckIn: false }) },
        // The next write of its host corrects the times.
        clockJumped: { guard: 'isUnseen', actions: begin({ age: 'ahead of the clock' }) },
        observed: { guard: 'isUnseen', actions: become({ evidence: 'observed' }) },
        workerDied: { guard: 'isSeen', actions: become({ evidence: 'none' }) },
        silence: { actions: begin({ age: 'beyond the limit' }) },
        statusWriteLost: { actions: become({ ack: 'Success', hasNewCheckIn: false }) },
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
