import type { AnyActor, AnyMachineSnapshot, AnyTransitionDefinition } from 'xstate';
import type { Clock, Facts, JobOutcome, Policy } from '../src/index.ts';
import { askedRules } from '../src/queries/explain.ts';
import type { Follow } from '../src/reaper/inspection.ts';
import type { ChartTally } from './chartTally.ts';
import type { Trace, TraceRow } from './protocol.ts';
import { createRing, type Ring } from './ring.ts';
import { safeFacts, safeOutcome, shorten } from './safe.ts';

/** The walk of one job, as it is kept: what it refers to is shared with the job itself. */
interface Recorded {
  /** Counts up with each walk that is kept; 0 while it walks. */
  number: number;
  readonly id: string;
  readonly plan: boolean;
  readonly lane: string | undefined;
  readonly policy: Policy;
  readonly judged: Facts[];
  readonly steps: {
    readonly state: number;
    readonly transition: number | undefined;
    readonly event: string;
    readonly at: number;
    readonly facts: number;
  }[];
  outcome: JobOutcome | undefined;
}

/** What a job's actor is created with, as far as it matters here. */
interface JobInput {
  readonly job: { readonly facts: Facts };
  readonly policy: Policy;
  readonly plan: boolean;
}

export interface Traces {
  /** Chooses the jobs whose walks are seen; the others are counted all the same. */
  readonly isFollowed: Follow;
  /** A job's actor is created: with the lane that it acts in, or to end in its first tick. */
  begin(actor: AnyActor, lane: string | undefined): void;
  step(
    actor: AnyActor,
    lane: string | undefined,
    snapshot: AnyMachineSnapshot,
    event: string,
    taken: AnyTransitionDefinition,
  ): void;
  /** No job walks in this lane any more. */
  leave(lane: string): void;
  /** Rows of walks that have ended since the one with this number. */
  acts(since: number): TraceRow[];
  healthy(since: number): TraceRow[];
  /** The number of the last walk that was kept. */
  readonly last: number;
  /** Lanes that work. */
  working(): { lane: string; job: string; state: string }[];
  /** All that is still known of a job, the newest first. */
  of(id: string): Trace[];
  watch(id: string): void;
  unwatch(id: string): void;
  /** Watched jobs that have walked since the last call. */
  takeMoved(): string[];
}

const kept = 1_000;
const keptOfWatched = 20;
/** One healthy job in as many is kept. */
export const sampleEvery = 500;

/**
 * The walks of jobs that acted, that a person watches, and of a sample of the others. Jobs that have nothing to do all
 * walk the same way: those that are not followed are counted along with the last one that was. A hundred thousand of
 * them pass in two seconds.
 */
export const createTraces = (tally: ChartTally, clock: Clock): Traces => {
  const acts: Ring<Recorded> = createRing(kept);
  const healthy: Ring<Recorded> = createRing(kept);
  /** Lane → the job that walks in it. Invariant: no more than there are lanes. */
  const inLanes = new Map<string, Recorded>();
  const watched = new Map<string, Ring<Recorded>>();
  const moved = new Set<string>();
  let last = 0;
  let seen = 0;

  // The job that is in its first tick: nothing else runs meanwhile, so one place is enough.
  let actor: AnyActor | undefined;
  let at = 0;
  const states: number[] = [];
  const transitions: number[] = [];
  /** The way of the last followed job that had nothing to do. */
  let usual: { readonly states: readonly number[]; readonly transitions: readonly number[] } | undefined;

  const inputOf = (job: AnyActor) => job.options.input as unknown as JobInput;

  const keep = (walk: Recorded, outcome: JobOutcome) => {
    walk.outcome = outcome;
    walk.number = ++last;
    (hasNothingToDo(outcome) && outcome.outcome === 'kept' ? healthy : acts).push(walk);
    watched.get(walk.id)?.push(walk);
    if (watched.has(walk.id)) moved.add(walk.id);
  };

  const endTick = (job: AnyActor, outcome: JobOutcome) => {
    const { facts } = outcome;
    const { policy, plan } = inputOf(job);
    if (hasNothingToDo(outcome)) usual = { states: [...states], transitions: [...transitions] };
    const steps = states.map((state, i) => ({ state, transition: transitions[i], event: 'xstate.init', at, facts: 0 }));
    const walk: Recorded = {
      number: 0,
      id: facts.id,
      plan,
      lane: undefined,
      policy,
      judged: [facts],
      steps: [{ state: tally.initial, transition: undefined, event: 'scanned', at, facts: 0 }, ...steps],
      outcome: undefined,
    };
    keep(walk, outcome);
  };

  const toWalk = (walk: Recorded): Trace => ({
    number: walk.number,
    id: shorten(walk.id),
    plan: walk.plan,
    lane: walk.lane,
    steps: walk.steps.map((step) => ({ ...step, state: tally.index.states[step.state] as string })),
    judged: walk.judged.map((facts) => ({ facts: safeFacts(facts), rules: askedRules(facts, walk.policy) })),
    outcome: walk.outcome && safeOutcome(walk.outcome),
  });
  const toRow = (walk: Recorded): TraceRow => {
    const { verdict, reason, outcome, detail, error, facts } = walk.outcome as JobOutcome;
    return {
      number: walk.number,
      at: walk.steps.at(-1)?.at as number,
      id: shorten(walk.id),
      type: facts.name && shorten(facts.name),
      verdict,
      reason,
      outcome,
      detail,
      error: error && shorten(error),
    };
  };

  return {
    isFollowed(id, judgement) {
      if (!hasNothingToDo(judgement)) return true;
      seen += 1;
      if (usual === undefined || seen % sampleEvery === 0 || watched.has(id)) return true;
      tally.enter(tally.initial);
      for (const state of usual.states) tally.enter(state);
      for (const transition of usual.transitions) tally.take(transition);
      return false;
    },

    begin(job, lane) {
      tally.enter(tally.initial);
      if (lane === undefined) {
        actor = job;
        at = clock.now();
        states.length = 0;
        transitions.length = 0;
        return;
      }
      const input = inputOf(job);
      const { facts } = input.job;
      inLanes.set(lane, {
        number: 0,
        id: facts.id,
        plan: input.plan,
        lane,
        policy: input.policy,
        judged: [facts],
        steps: [{ state: tally.initial, transition: undefined, event: 'scanned', at: clock.now(), facts: 0 }],
        outcome: undefined,
      });
      if (watched.has(facts.id)) moved.add(facts.id);
    },

    step(job, lane, snapshot, event, taken) {
      const transition = tally.transition(taken);
      const state = tally.stateOf(snapshot);
      tally.take(transition);
      tally.enter(state);
      if (lane === undefined) {
        if (job !== actor) return;
        states.push(state);
        transitions.push(transition);
        if (snapshot.status === 'done') endTick(job, snapshot.output as JobOutcome);
        return;
      }
      const walk = inLanes.get(lane);
      if (walk === undefined) return; // It walked before the inspector was there.
      const { facts } = snapshot.context.job as { facts: Facts };
      if (walk.judged.at(-1) !== facts) walk.judged.push(facts);
      walk.steps.push({ state, transition, event, at: clock.now(), facts: walk.judged.length - 1 });
      if (watched.has(walk.id)) moved.add(walk.id);
      if (snapshot.status !== 'done') return;
      inLanes.delete(lane);
      keep(walk, snapshot.output as JobOutcome);
    },

    leave: (lane) => void inLanes.delete(lane),

    acts: (since) => acts.newest(({ number }) => number > since).map(toRow),
    healthy: (since) => healthy.newest(({ number }) => number > since).map(toRow),
    get last() {
      return last;
    },
    working: () =>
      [...inLanes].map(([lane, { id, steps }]) => ({
        lane,
        job: shorten(id),
        state: tally.index.states[steps.at(-1)?.state ?? 0] as string,
      })),

    of(id) {
      const all = [
        ...[...inLanes.values()].reverse(),
        ...(watched.get(id)?.newest() ?? []),
        ...acts.newest(),
        ...healthy.newest(),
      ].filter((walk) => walk.id === id);
      return [...new Set(all)]
        .sort((a, b) => (b.number || Number.POSITIVE_INFINITY) - (a.number || Number.POSITIVE_INFINITY))
        .slice(0, keptOfWatched)
        .map(toWalk);
    },
    watch(id) {
      if (!watched.has(id)) watched.set(id, createRing(keptOfWatched));
      moved.add(id); // Who begins to watch is told what is known.
    },
    unwatch(id) {
      watched.delete(id);
    },
    takeMoved() {
      const ids = [...moved];
      moved.clear();
      return ids;
    },
  };
};

/** A malformed record, or one of a wrong clock, is kept as well, but somebody has to look at it. */
const hasNothingToDo = ({ verdict, reason }: Pick<JobOutcome, 'verdict' | 'reason'>): boolean =>
  verdict === 'kept' && reason !== 'malformed' && reason !== 'clock-ahead';
