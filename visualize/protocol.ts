/**
 * What the inspector's server and its page say to each other: JSON over one WebSocket. Types only, for both sides.
 *
 * The server sends `snapshot` when a page connects (and again when one was too slow for what came since), then a
 * `delta` at most every 200 ms with the parts that have changed, and an answer to each request, under its number.
 * Nothing here holds a parameter of a job, a URL beyond its origin, or more of an ACK than status, revision and check-in.
 */
import type {
  AskedRule,
  Explanation,
  Facts,
  JobOutcome,
  PoolOutcome,
  RescueSummary,
  SweepSummary,
} from '../src/index.ts';

export const chartNames = ['supervisor', 'lane', 'job', 'pool', 'dispatcher', 'endpoint'] as const;
export type ChartName = (typeof chartNames)[number];

/** What is known once and for all while the server runs. */
export interface About {
  readonly version: string;
  readonly namespace: string;
  readonly redis: string;
  /** Every pass is a plan. */
  readonly isPlanOnly: boolean;
  /** The page may start passes. */
  readonly mayControl: boolean;
  /** One healthy job in as many is kept with its trace. */
  readonly sampleEvery: number;
  /** For each chart its states, and its transitions with the ids of the states that they join. */
  readonly charts: Readonly<Record<ChartName, ChartIndex>>;
}
export interface ChartIndex {
  /** Ids of the states. */
  readonly states: readonly string[];
  /** What each state is for, in the order of the ids; an empty text where its machine does not say. */
  readonly descriptions: readonly string[];
  readonly transitions: readonly { readonly from: string; readonly to: string | undefined; readonly label: string }[];
}

/** What happened in a chart. Arrays by the index of the state or transition in `ChartIndex`. */
export interface ChartCounts {
  /** How often each state was entered: of lanes and jobs in this sweep, of the others since the inspector opened. */
  readonly entered: readonly number[];
  /** How many actors are in each state now. */
  readonly active: readonly number[];
  /** How often each transition was taken, counted as `entered` is. */
  readonly taken: readonly number[];
  /** The transition that was taken last. */
  readonly last: number | undefined;
}

export interface SweepView {
  readonly phase: 'none yet' | 'running' | 'ended';
  readonly plan: boolean;
  /** Times in ms since 1970 by the reaper's clock. */
  readonly beganAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly dueAt: number | undefined;
  /** The host that does the scheduled passes of all, `this one` where it is this; undefined where there is none. */
  readonly leader: string | undefined;
  /** Tracked jobs when it began. */
  readonly total: number | undefined;
  readonly scanned: number;
  /** Jobs a second over the last second, while it runs; over the whole of it afterwards. */
  readonly rate: number;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly reasons: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly error: string | undefined;
}

export interface RescueView {
  readonly lastAt: number | undefined;
  readonly dueAt: number | undefined;
  readonly alive: number;
  /** Pools that wait out their grace, or for their turn; the first of them are among `pools`. */
  readonly suspects: number;
  /** Pools that are being looked at. */
  readonly pools: readonly { readonly pool: string; readonly state: string; readonly since: number }[];
  /** Since the inspector opened. */
  readonly rescued: number;
  /** Pools that had left nothing to requeue: they stopped gracefully. */
  readonly cleaned: number;
  readonly cleared: number;
  readonly abandoned: number;
  /** Entries that were requeued; where every pass is a plan, those that the last one would requeue. */
  readonly entries: number;
  /** Where every pass is a plan: how many dead pools the last one has found; else undefined. */
  readonly planned: number | undefined;
  readonly error: string | undefined;
}

/** A lane that works: on which job, in which state. Idle lanes are only counted. */
export interface LanesView {
  readonly total: number;
  readonly working: readonly { readonly lane: string; readonly job: string; readonly state: string }[];
}

export interface HooksView {
  readonly inFlight: number;
  /** In Redis, of all hosts. */
  readonly pending: number;
  readonly parked: number;
  /** By this reaper since the inspector opened. */
  readonly delivered: number;
  readonly failed: number;
  /** Receivers that something waits for, or that fail; those that fail first. */
  readonly receivers: readonly {
    readonly origin: string;
    readonly pending: number;
    readonly breaker: string;
    readonly failures: number;
    /** In ms. */
    readonly failingSince: number | undefined;
    readonly answer: string | undefined;
  }[];
}

/** A job's walk as a line of a table. */
export interface TraceRow {
  readonly number: number;
  readonly at: number;
  readonly id: string;
  readonly type: string | undefined;
  readonly verdict: string;
  readonly reason: string;
  readonly outcome: string;
  readonly detail: string | undefined;
  readonly error: string | undefined;
}

/** One step of a walk: the state that it came to, by which transition, on which event. */
export interface TraceStep {
  readonly state: string;
  /** Index of the transition; undefined for the first step. */
  readonly transition: number | undefined;
  readonly event: string;
  readonly at: number;
  /** Index in the walk's `judged` of the facts that the job had then. */
  readonly facts: number;
}

/** A job's walk through its chart. */
export interface Trace {
  readonly number: number;
  readonly id: string;
  readonly plan: boolean;
  /** The lane where it acted; undefined for a job that ended in its first tick. */
  readonly lane: string | undefined;
  readonly steps: readonly TraceStep[];
  /** The facts it was judged by, and the rules that were asked of them: twice where the job was overtaken. */
  readonly judged: readonly { readonly facts: Facts; readonly rules: readonly AskedRule[] }[];
  /** Undefined while it walks. */
  readonly outcome: Omit<JobOutcome, 'facts'> | undefined;
}

export interface PoolRow extends Omit<PoolOutcome, 'poison' | 'deregistered'> {
  readonly number: number;
  readonly at: number;
  readonly steps: readonly { readonly state: string; readonly at: number }[];
}

export interface FaultRow {
  readonly number: number;
  readonly at: number;
  readonly where: string;
  readonly error: string;
}

/** The parts that a delta replaces as a whole. */
export interface Parts {
  readonly charts: Readonly<Record<ChartName, ChartCounts>>;
  readonly sweep: SweepView;
  readonly rescue: RescueView;
  readonly lanes: LanesView;
  readonly hooks: HooksView;
}

/** The last 1,000 of each, the newest first; a delta brings those that have come since. */
export interface Rings {
  readonly acts: readonly TraceRow[];
  readonly healthy: readonly TraceRow[];
  readonly pools: readonly PoolRow[];
  readonly faults: readonly FaultRow[];
}

export interface SnapshotMessage extends Parts, Rings {
  readonly type: 'snapshot';
  readonly now: number;
  readonly about: About;
}
export interface DeltaMessage extends Partial<Parts>, Partial<Rings> {
  readonly type: 'delta';
  readonly now: number;
}
/** The walks of a job that this page watches, each time that there is more of them. */
export interface WatchedMessage {
  readonly type: 'watched';
  readonly id: string;
  readonly traces: readonly Trace[];
}
export interface AnswerMessage {
  readonly type: 'answer';
  readonly request: number;
  readonly job?: JobAnswer;
  readonly sweep?: SweepSummary;
  readonly rescue?: RescueSummary;
  readonly error?: string;
}
export interface JobAnswer {
  readonly explanation: Explanation;
  /** Walks that are still known, the newest first. */
  readonly traces: readonly Trace[];
}
export type ServerMessage = SnapshotMessage | DeltaMessage | WatchedMessage | AnswerMessage;

/** What a page may ask for: all about a job, and, with `control`, a pass. */
export type Question =
  | { readonly type: 'job'; readonly request: number; readonly id: string }
  | { readonly type: 'sweep' | 'rescue'; readonly request: number; readonly plan: boolean };
/** It may also have itself told of a job's next walks. */
export type Request =
  | Question
  | { readonly type: 'watch'; readonly request: number; readonly id: string }
  | { readonly type: 'unwatch'; readonly request: number; readonly id: string };
