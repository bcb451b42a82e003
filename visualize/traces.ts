import type { AnyActor, AnyMachineSnapshot, AnyTransitionDefinition } from 'xstate';
import type { Facts } from '../src/machines/facts.ts';
import type { JobOutcome } from '../src/machines/types/job.ts';
import type { Policy } from '../src/machines/verdict.ts';
import type { Clock, Follow } from '../src/reaper/inspection.ts';
import type { ChartTally } from './chartTally.ts';
import type { Trace, TraceRow } from './protocol.ts';
import { type RecordedTrace, rowOf, traceOf } from './recordedTrace.ts';
import { createRing, type Ring } from './ring.ts';
import { shorten } from './safe.ts';

/** The input of a job's actor, as far as traces need it. */
interface JobInput {
  readonly job: { readonly facts: Facts };
  readonly policy: Policy;
  readonly plan: boolean;
}

/** The states and transitions that a job went through in its first tick, as indices. */
interface Path {
  readonly states: readonly number[];
  readonly transitions: readonly number[];
}

export interface Traces {
  /** Chooses the jobs that are traced. The other jobs are only counted. */
  readonly isFollowed: Follow;
  /** A job's actor was created. A job without a lane ends in its first tick. */
  begin(actor: AnyActor, lane: string | undefined): void;
  step(
    actor: AnyActor,
    lane: string | undefined,
    snapshot: AnyMachineSnapshot,
    event: string,
    taken: AnyTransitionDefinition,
  ): void;
  /** The lane has no job any more. */
  leave(lane: string): void;
  /** Rows of the traces that ended after the one with this number. */
  acts(since: number): TraceRow[];
  healthy(since: number): TraceRow[];
  /** The number of the latest recorded trace. */
  readonly last: number;
  /** The busy lanes. */
  working(): { lane: string; job: string; state: string }[];
  /** The recorded traces of a job, newest first. */
  of(id: string): Trace[];
  watch(id: string): void;
  unwatch(id: string): void;
  /** Watched jobs whose traces have changed since the last call. */
  takeMoved(): string[];
}

const maxRecorded = 1_000;
const maxRecordedOfWatched = 20;
/** One healthy job in this many is recorded. */
export const sampleEvery = 500;

/**
 * Records the traces of jobs that acted, of watched jobs, and of a sample of the healthy jobs. All healthy jobs take the
 * same path: those that are not followed are counted along the path of the latest one that was. A sweep passes a hundred
 * thousand of them in two seconds.
 */
export const createTraces = (tally: ChartTally, clock: Clock): Traces => {
  const recorded = createRecorded();
  const lanes = createLanes(tally, clock, recorded);
  const firstTick = createFirstTick(tally, clock, recorded.keep);
  let seen = 0;

  return {
    isFollowed(id, judgement) {
      if (!isHealthy(judgement)) return true;
      seen += 1;
      const usual = firstTick.usual();
      if (usual === undefined || seen % sampleEvery === 0 || recorded.isWatched(id)) return true;
      tally.enter(tally.initial);
      for (const state of usual.states) tally.enter(state);
      for (const transition of usual.transitions) tally.take(transition);
      return false;
    },

    begin(actor, lane) {
      tally.enter(tally.initial);
      if (lane === undefined) return firstTick.begin(actor);
      return lanes.begin(actor, lane);
    },

    step(actor, lane, snapshot, event, taken) {
      const transition = tally.transition(taken);
      const state = tally.stateOf(snapshot);
      tally.take(transition);
      tally.enter(state);
      if (lane === undefined) firstTick.step(actor, state, transition, snapshot);
      else lanes.step(lane, snapshot, { state, transition, event, at: clock.now() });
    },

    leave: lanes.leave,

    acts: (since) => recorded.acts(since).map(rowOf),
    healthy: (since) => recorded.healthy(since).map(rowOf),
    get last() {
      return recorded.last();
    },
    working: lanes.working,
    of: (id) => recorded.of(id, lanes.running()).map((trace) => traceOf(trace, tally)),
    watch: recorded.watch,
    unwatch: recorded.unwatch,
    takeMoved: recorded.takeMoved,
  };
};

/** The traces of the jobs that lanes judge now. */
const createLanes = (tally: ChartTally, clock: Clock, recorded: ReturnType<typeof createRecorded>) => {
  /** Lane → the trace of its job. Invariant: no more entries than lanes. */
  const inLanes = new Map<string, RecordedTrace>();
  return {
    begin(actor: AnyActor, lane: string) {
      const trace = newTrace(actor, lane, tally, clock.now());
      inLanes.set(lane, trace);
      recorded.touch(trace.id);
    },
    step(lane: string, snapshot: AnyMachineSnapshot, step: Omit<RecordedTrace['steps'][number], 'facts'>) {
      const trace = inLanes.get(lane);
      if (trace === undefined) return; // The job began before the inspector was opened.
      const { facts } = snapshot.context.job as { facts: Facts };
      if (trace.judged.at(-1) !== facts) trace.judged.push(facts);
      trace.steps.push({ ...step, facts: trace.judged.length - 1 });
      recorded.touch(trace.id);
      if (snapshot.status !== 'done') return;
      inLanes.delete(lane);
      recorded.keep(trace, snapshot.output as JobOutcome);
    },
    leave: (lane: string) => void inLanes.delete(lane),
    /** The traces of the jobs, newest first. */
    running: () => [...inLanes.values()].reverse(),
    working: () =>
      [...inLanes].map(([lane, { id, steps }]) => ({
        lane,
        job: shorten(id),
        state: tally.index.states[steps.at(-1)?.state ?? 0] as string,
      })),
  };
};

/** The traces that have ended, and the jobs that pages watch. */
const createRecorded = () => {
  const acts: Ring<RecordedTrace> = createRing(maxRecorded);
  const healthy: Ring<RecordedTrace> = createRing(maxRecorded);
  const watched = new Map<string, Ring<RecordedTrace>>();
  const moved = new Set<string>();
  let last = 0;

  const touch = (id: string) => {
    if (watched.has(id)) moved.add(id);
  };
  return {
    touch,
    keep(trace: RecordedTrace, outcome: JobOutcome) {
      trace.outcome = outcome;
      trace.number = ++last;
      // Tens of thousands of pending hooks would drive out the acts.
      if (outcome.outcome !== 'already-pending')
        (isHealthy(outcome) && outcome.outcome === 'kept' ? healthy : acts).push(trace);
      watched.get(trace.id)?.push(trace);
      touch(trace.id);
    },
    acts: (since: number) => acts.newest(({ number }) => number > since),
    healthy: (since: number) => healthy.newest(({ number }) => number > since),
    last: () => last,
    of(id: string, running: readonly RecordedTrace[]): RecordedTrace[] {
      const all = [...running, ...(watched.get(id)?.newest() ?? []), ...acts.newest(), ...healthy.newest()];
      const ageOf = ({ number }: RecordedTrace) => number || Number.POSITIVE_INFINITY;
      return [...new Set(all.filter((trace) => trace.id === id))]
        .sort((a, b) => ageOf(b) - ageOf(a))
        .slice(0, maxRecordedOfWatched);
    },
    isWatched: (id: string) => watched.has(id),
    watch(id: string) {
      if (!watched.has(id)) watched.set(id, createRing(maxRecordedOfWatched));
      moved.add(id); // A page that begins to watch gets the recorded traces at once.
    },
    unwatch(id: string) {
      watched.delete(id);
    },
    takeMoved() {
      const ids = [...moved];
      moved.clear();
      return ids;
    },
  };
};

/** Follows jobs that end in their first tick. Nothing else runs in that tick, so there is one such job at a time. */
const createFirstTick = (
  tally: ChartTally,
  clock: Clock,
  keep: (trace: RecordedTrace, outcome: JobOutcome) => void,
) => {
  let actor: AnyActor | undefined;
  let at = 0;
  const states: number[] = [];
  const transitions: number[] = [];
  let usual: Path | undefined;

  const end = (job: AnyActor, outcome: JobOutcome) => {
    if (isHealthy(outcome)) usual = { states: [...states], transitions: [...transitions] };
    const trace = newTrace(job, undefined, tally, at);
    trace.judged[0] = outcome.facts;
    for (const [i, state] of states.entries()) {
      trace.steps.push({ state, transition: transitions[i], event: 'xstate.init', at, facts: 0 });
    }
    keep(trace, outcome);
  };

  return {
    /** The path of the latest healthy job that was followed. */
    usual: () => usual,
    begin(job: AnyActor) {
      actor = job;
      at = clock.now();
      states.length = 0;
      transitions.length = 0;
    },
    step(job: AnyActor, state: number, transition: number, snapshot: AnyMachineSnapshot) {
      if (job !== actor) return;
      states.push(state);
      transitions.push(transition);
      if (snapshot.status === 'done') end(job, snapshot.output as JobOutcome);
    },
  };
};

const newTrace = (actor: AnyActor, lane: string | undefined, tally: ChartTally, at: number): RecordedTrace => {
  const { job, policy, plan } = actor.options.input as unknown as JobInput;
  return {
    number: 0,
    id: job.facts.id,
    plan,
    lane,
    policy,
    judged: [job.facts],
    steps: [{ state: tally.initial, transition: undefined, event: 'scanned', at, facts: 0 }],
    outcome: undefined,
  };
};

/** Whether a job has nothing to do. A job that is malformed or ahead of the clock is kept too, but someone has to look at it. */
const isHealthy = ({ verdict, reason }: Pick<JobOutcome, 'verdict' | 'reason'>): boolean =>
  verdict === 'keep' && reason !== 'malformed' && reason !== 'clock-ahead';
