import type { AuditAdmin } from '../admin/audit.ts';
import type { HooksAdmin } from '../admin/hooks.ts';
import type { QuarantineAdmin } from '../admin/quarantine.ts';
import type { DoctorOptions } from '../doctor/doctor.ts';
import type { DoctorReport } from '../doctor/report.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { PlannedChange } from '../machines/types/changes.ts';
import type { RescueProgress } from '../machines/types/progress.ts';
import type { ActingVerdict, PlannedAct } from '../machines/types/scope.ts';
import type { Duration } from '../options/duration.ts';
import type { ReloadableOptions } from '../options/reloadable.ts';
import type { Explanation } from '../queries/explain.ts';
import type { ReaperStatus } from '../queries/status.ts';
import type { EventSource } from './events.ts';
import type { Health } from './health.ts';
import type { RescueSummary, SweepSummary } from './summaries.ts';

/** What `sweep` is asked for. */
export interface SweepOptions {
  /** Judge and change nothing. */
  readonly plan?: boolean;
  /** Only these jobs: they are read by their ids, and no others. `notFound` of the summary names those that are not tracked. */
  readonly ids?: readonly string[];
  /** Only jobs of these types. */
  readonly types?: readonly string[];
  /** Only these acts. */
  readonly verdicts?: readonly ActingVerdict[];
  /** Acts on this many jobs at most, then ends. */
  readonly limit?: number;
  /** The acts of a plan: these and no others, each only if the facts of the plan still give it. */
  readonly acts?: readonly PlannedAct[];
  /** Aborting it ends the sweep. */
  readonly signal?: AbortSignal;
}

/** What `rescue` is asked for. */
export interface RescueOptions {
  /** Change nothing, and say what would be changed. */
  readonly plan?: boolean;
  /** How long suspected pools may prove that they are alive. */
  readonly grace?: Duration;
  /** Only these pools. */
  readonly pools?: readonly string[];
  /** The acts of a plan: these and no others, each only if what it is about is as it was. */
  readonly acts?: readonly PlannedChange[];
  /** Aborting it ends the pass. */
  readonly signal?: AbortSignal;
}

/** A reaper, as `createReaper` returns it. */
export interface Reaper extends EventSource {
  /** Starts the scheduled sweeps and rescue passes. */
  start(): void;
  /**
   * Waits for running work to end, but no longer than `timeout` (default 30 s), then closes everything that the reaper opened.
   * A client that the caller passed stays open. No timer or socket keeps the process alive afterwards.
   *
   * Every call returns the same promise. A later call with a shorter `timeout` shortens the wait.
   *
   * After the first call, every other method rejects with a `StoppedError` (`start` throws it). Calls that are still pending
   * when the stop ends reject with one too.
   */
  stop(options?: { readonly timeout?: Duration }): Promise<void>;
  /**
   * Stops the reaper at the end of its scope, as `stop()` does.
   *
   * @example
   * await using reaper = createReaper({ redis, namespace });
   * console.log(await reaper.sweep({ plan: true }));
   */
  [Symbol.asyncDispose](): Promise<void>;
  /**
   * Changes options while the reaper runs: of `sweep` the `initialDelay`, `interval` and `jitter`; of `rescue` the
   * `initialDelay` and `interval`; of `hooks` the `concurrency`, `drainRate`, `breakerThreshold`, `deadline`, `maxAge`,
   * `maxRecords` and `parkedRetention`. What is left out stays as it is. A pass that waits for its time waits by the new
   * interval, from when its wait began.
   * @throws OptionsError naming each option that cannot be used, or that cannot change while the reaper runs. Nothing is
   * changed then.
   * @example
   * reaper.reload({ sweep: { interval: '10m' }, hooks: { drainRate: 100 } });
   */
  reload(options: ReloadableOptions): void;
  /**
   * Sweeps all tracked jobs once. Resolves when every act has ended and every hook that was due has been attempted (it waits
   * for hooks no longer than four times `hooks.timeout`). With `plan` it judges and changes nothing. If Redis refuses
   * writes, the sweep is suspended and `suspended` in the summary, a code and a message, says why. Aborting `signal` ends the
   * sweep: no further act begins, and those that have begun are finished.
   *
   * `ids`, `types`, `verdicts` and `limit` restrict it: only such jobs are acted on, and at most that many. `acts` are those of a
   * plan, as the events `job` of the plan have them. These and no others are done, each only if the facts of the plan still give it;
   * the others end in `overtaken`, and `moved` says why. Such a sweep is not a complete one: the schedule, `health()` and the
   * checkpoint of the leader stay as they are. It sends the hooks of its jobs, and no others, unless the reaper was started or
   * has swept all jobs.
   * @throws OptionsError for arguments that cannot be used.
   * @throws PassError if the sweep did not complete (code `pass-incomplete`), or was aborted (code `aborted`). Its `summary`
   * says how far the sweep got.
   * @example
   * const { scanned, outcomes } = await reaper.sweep({ signal: AbortSignal.timeout(60_000) });
   * @example
   * const acts: PlannedAct[] = [];
   * reaper.on('job', ({ act }) => void (act && acts.push(act)));
   * await reaper.sweep({ plan: true, types: ['IMAGE_SCAN'] });
   * const { outcomes } = await reaper.sweep({ acts });
   */
  sweep(options?: SweepOptions): Promise<SweepSummary>;
  /**
   * Looks for dead pools once, through the names of all keys. Resolves when every suspected pool is rescued or cleared. With
   * `plan` it changes nothing. `grace` overrides the configured one. If an entry on a live pool looks orphaned, it tries
   * it a second time (after `rescue.orphanedAfter`) unless `grace` is 0. Aborting `signal` ends the pass: pools that are being
   * rescued are finished, and the others are left to the next pass.
   *
   * `pools` restricts it: no other pool is suspected, rescued or looked at for orphaned entries, and no counters are rebuilt. The
   * counters of the entries that it requeues are kept in the same steps. Such a pass is not a complete one, as with `sweep`.
   *
   * `acts` are those of a plan: `acts` of its summary, or some of them. These and no others are done. Each dead pool gets what
   * was planned for it, if it has written no heartbeat since and holds no other entries than planned (fewer are what an earlier
   * pass has left); else it ends in `abandoned`, and `error` says what is not as planned. A pool that is alive, or gone, is left,
   * and no event names it. Entries of live pools and counters are in `applied` of the summary: what was done, and what was left
   * and why.
   * @throws PassError whose cause has the code `not-found`, before anything is changed, if Redis knows nothing of one of `pools`.
   * @throws PassError if the rescue did not complete (code `pass-incomplete`), or was aborted (code `aborted`). Its `summary`
   * says how far the rescue got.
   * @example
   * const { pools, entries } = await reaper.rescue({ grace: '15s' });
   */
  rescue(options?: RescueOptions): Promise<RescueSummary>;
  /**
   * Checks within 3 s that Redis answers and is the server that the options ask for.
   * @throws UnusableRedisError if it answers and cannot be used, or if the sentinels don't say where it is.
   * @throws ReaperError with the address that was tried, and the cause. Its code is that of the error of Redis, or
   * `redis-unreachable` where there is none.
   */
  ping(): Promise<void>;
  /**
   * URL of the inspector with its token, once it listens; undefined if the option `inspect` is off.
   * @throws Error if the inspector could not be opened.
   */
  inspectorUrl(): Promise<string | undefined>;
  /** URL of the HTTP server, once it listens; undefined if the option `http` is off. @throws Error if it could not be opened. */
  httpUrl(): Promise<string | undefined>;
  /** Number of tracked jobs; 0 if the tracking key has another type, which `status` reports. */
  tracked(): Promise<number>;
  /** State of the namespace. Changes nothing. */
  status(): Promise<ReaperStatus>;
  /** Verdict on one job and the reasons for it, tracked or not, and where it is queued or in progress. Changes nothing. */
  explain(id: string): Promise<Explanation>;
  /**
   * Checks everything that the reaper depends on: version, role, cluster mode and database of Redis, rights of the user,
   * namespace, types of keys, eviction, clocks. Each check says what to do if it fails. Changes nothing.
   * @throws Error if Redis cannot be reached.
   */
  doctor(options?: DoctorOptions): Promise<DoctorReport>;
  /** Undelivered hooks: list, retry, drop. */
  readonly hooks: HooksAdmin;
  /** Poison jobs, which were quarantined because their workers died: list, release, drop. */
  readonly quarantine: QuarantineAdmin;
  /** What was done, by whom and why: list, undo. */
  readonly audit: AuditAdmin;
  /** For worker hosts that use this data model. */
  readonly lifecycle: Lifecycle;
  /**
   * What the rescue passes of this reaper do now, for a display; undefined if none runs. Asks Redis nothing.
   * @example
   * const { step, waiting, pools } = reaper.rescueProgress() ?? {};
   */
  rescueProgress(): RescueProgress | undefined;
  /** Whether the passes run on time; what `/livez` and `/readyz` say. Asks Redis nothing. */
  health(): Health;
  /**
   * The text of `/metrics`: metrics of this reaper and of its process, in Prometheus's text format (`docs/metrics.md`). Asks
   * Redis a few bounded questions, at most every 5 s, and waits for the answers for 2 s at most. During an outage it
   * holds what is known.
   *
   * @example
   * app.get('/metrics', async (_, reply) => reply.type('text/plain; version=0.0.4').send(await reaper.metrics()));
   */
  metrics(): Promise<string>;
}
