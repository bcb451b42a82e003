/**
 * The messages between the inspector's server and its page: JSON over one WebSocket. Types only, for both sides.
 *
 * The server sends a `snapshot` when a page connects, then at most every 200 ms a `delta` with the parts that have
 * changed. A page that reads too slowly gets a new snapshot instead. Each request gets an answer with its number.
 * No message holds a parameter of a job, a hook URL beyond scheme, host and port, or more of an ACK than its status,
 * revision and check-in time. Texts from Redis are cut to 256 characters (`safe.ts`).
 */
import type { Facts } from '../src/machines/facts.ts';
import type { JobOutcome } from '../src/machines/types/job.ts';
import type { PoolOutcome } from '../src/machines/types/pool.ts';
import type { AskedRule, Explanation, RescueSummary, SweepSummary } from '../src/reaper/inspection.ts';

export const chartNames = [
  'job',
  'supervisor',
  'leader',
  'sweep',
  'lane',
  'rescue',
  'rescuePass',
  'pools',
  'pool',
  'dispatcher',
  'endpoint',
] as const;
export type ChartName = (typeof chartNames)[number];

/** What does not change while the server runs. */
export interface About {
  readonly version: string;
  readonly namespace: string;
  readonly redis: string;
  /** Every pass is a plan. */
  readonly isPlanOnly: boolean;
  /** The page may start passes. */
  readonly mayControl: boolean;
  /** The server records the trace of one healthy job in this many. */
  readonly sampleEvery: number;
  /** The states and transitions of each chart. */
  readonly charts: Readonly<Record<ChartName, ChartIndex>>;
}
export interface ChartIndex {
  /** Ids of the states. */
  readonly states: readonly string[];
  /** The description of each state, in the order of the ids; empty if the machine has none. */
  readonly descriptions: readonly string[];
  /** The names of its drawings: one of all states, or an overview and one for each state that is collapsed in it. */
  readonly drawings: readonly string[];
  readonly transitions: readonly { readonly from: string; readonly to: string | undefined; readonly label: string }[];
}

/** What happened in a chart. The arrays have the order of the states and transitions in `ChartIndex`. */
export interface ChartCounts {
  /** How often each state was entered: in this sweep for lanes and jobs, since the inspector opened for the others. */
  readonly entered: readonly number[];
  /** How many actors are in each state now. */
  readonly active: readonly number[];
  /** How often each transition was taken, over the same time as `entered`. */
  readonly taken: readonly number[];
  /** The latest transition. */
  readonly last: number | undefined;
}

export interface SweepView {
  readonly phase: 'none-yet' | 'running' | 'ended';
  readonly plan: boolean;
  /** Times in ms since 1970 by the reaper's clock. */
  readonly beganAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly dueAt: number | undefined;
  /** The host that runs the scheduled passes; `this one` for this host, undefined if there is none. */
  readonly leader: string | undefined;
  /** Tracked jobs when the sweep began. */
  readonly total: number | undefined;
  readonly scanned: number;
  /** How many of these were passed over, and have no trace (`sweep.screen`). */
  readonly screened: number;
  /** Jobs a second: of the last second while the sweep runs, of the whole sweep afterwards. */
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
  /** Pools that wait for the end of their grace, or for a free slot. `pools` names the first of them. */
  readonly suspects: number;
  /** Suspected pools and their states. */
  readonly pools: readonly { readonly pool: string; readonly state: string; readonly since: number }[];
  /** Since the inspector opened. */
  readonly rescued: number;
  /** Pools that were gone and had left nothing to requeue, as after a graceful stop. */
  readonly cleaned: number;
  readonly cleared: number;
  readonly abandoned: number;
  /** Requeued entries; if every pass is a plan, those that the latest plan would requeue. */
  readonly entries: number;
  /** Dead pools that the latest plan found; undefined unless every pass is a plan. */
  readonly planned: number | undefined;
  readonly error: string | undefined;
}

export interface LanesView {
  readonly total: number;
  /** The busy lanes, each with its job and that job's state. */
  readonly working: readonly { readonly lane: string; readonly job: string; readonly state: string }[];
}

export interface HooksView {
  /** Requests of this reaper that are running. */
  readonly inFlight: number;
  /** In Redis, for all hosts. */
  readonly pending: number;
  readonly parked: number;
  /** Attempts of this reaper since the inspector opened. */
  readonly delivered: number;
  readonly failed: number;
  /** Endpoints that are owed a hook or that fail; failing ones come first. */
  readonly endpoints: readonly {
    readonly endpoint: string;
    readonly pending: number;
    readonly breaker: string;
    readonly failures: number;
    /** When the failures began, in ms since 1970. */
    readonly failingSince: number | undefined;
    readonly answer: string | undefined;
  }[];
}

/** A job's trace as a row of a table. */
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

/** One step of a trace: the state that the job entered, by which transition, on which event. */
export interface TraceStep {
  readonly state: string;
  /** Index of the transition; undefined for the first step. */
  readonly transition: number | undefined;
  readonly event: string;
  readonly at: number;
  /** Index of the job's facts at that time in the trace's `judged`. */
  readonly facts: number;
}

/** The states that one job went through in its chart. */
export interface Trace {
  readonly number: number;
  readonly id: string;
  readonly plan: boolean;
  /** The lane where it acted; undefined for a job that ended in its first tick. */
  readonly lane: string | undefined;
  readonly steps: readonly TraceStep[];
  /** The facts that the job was judged by, with the rules that were asked: two of them if the job was overtaken. */
  readonly judged: readonly { readonly facts: Facts; readonly rules: readonly AskedRule[] }[];
  /** Undefined until the job has ended. */
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

/** A delta replaces a part as a whole. */
export interface Parts {
  readonly charts: Readonly<Record<ChartName, ChartCounts>>;
  readonly sweep: SweepView;
  readonly rescue: RescueView;
  readonly lanes: LanesView;
  readonly hooks: HooksView;
}

/** The latest 1,000 rows of each list, newest first. A delta holds the new rows only. */
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
/** The traces of a job that the page watches. Sent each time one of them changes. */
export interface WatchedMessage {
  readonly type: 'watched';
  readonly id: string;
  readonly traces: readonly Trace[];
}
export interface AnswerMessage {
  readonly type: 'answer';
  readonly request: number;
  readonly job?: JobAnswer;
  readonly sweep?: SweepAnswer;
  readonly rescue?: RescueAnswer;
  readonly error?: string;
}
export type SweepAnswer = Pick<SweepSummary, 'plan' | 'scanned' | 'screened' | 'verdicts' | 'outcomes' | 'suspended'>;
/** What a rescue did or, as a plan, would do. */
export interface RescueAnswer
  extends Pick<
    RescueSummary,
    'plan' | 'alive' | 'suspects' | 'pools' | 'entries' | 'orphaned' | 'quarantined' | 'suspended'
  > {
  /** The number of changes of each kind, with the first few in words. */
  readonly changes: readonly { readonly act: string; readonly count: number; readonly examples: readonly string[] }[];
}
/** An explanation with a limited number of places, without the commands for a terminal and other namespaces. */
export interface SafeExplanation extends Omit<Explanation, 'blockers' | 'elsewhere'> {
  /** Places that `places` leaves out. */
  readonly otherPlaces: number;
}
export interface JobAnswer {
  readonly explanation: SafeExplanation;
  /** Recorded traces, newest first. */
  readonly traces: readonly Trace[];
}
export type ServerMessage = SnapshotMessage | DeltaMessage | WatchedMessage | AnswerMessage;

/** What a page may ask for: a job and, with `control`, a pass. */
export type Question =
  | { readonly type: 'job'; readonly request: number; readonly id: string }
  | { readonly type: 'sweep' | 'rescue'; readonly request: number; readonly plan: boolean };
/** A page may also subscribe to the traces of a job. */
export type Request =
  | Question
  | { readonly type: 'watch'; readonly request: number; readonly id: string }
  | { readonly type: 'unwatch'; readonly request: number; readonly id: string };
