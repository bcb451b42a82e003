import { createActor } from 'xstate';
import { createExamine } from '../actors/examine.ts';
import { createJobActors } from '../actors/jobActors.ts';
import { createLeaseActors } from '../actors/leaseActors.ts';
import { createPoolActors, createRescueActors } from '../actors/poolActors.ts';
import { createSweepActors } from '../actors/sweepActors.ts';
import { createHooksAdmin, type HooksAdmin } from '../admin/hooks.ts';
import { createQuarantineAdmin, type QuarantineAdmin } from '../admin/quarantine.ts';
import { checkOfRefusal, createDoctor, type DoctorOptions } from '../doctor/doctor.ts';
import type { DoctorReport } from '../doctor/report.ts';
import { databaseOf, openerOf } from '../doctor/source.ts';
import { createStartCheck } from '../doctor/startCheck.ts';
import { createJobActs } from '../io/acts.ts';
import { createReaperClock, pause, systemClock, within } from '../io/clock.ts';
import type { PlaceVisitor } from '../io/evidence/places.ts';
import { scanWithEvidence } from '../io/evidence/scan.ts';
import { createSearch } from '../io/evidence/search.ts';
import type { HookOutcome } from '../io/hooks/sender.ts';
import { createTrackedJobs, type ScanPoint } from '../io/jobs/trackedJobs.ts';
import { createLease } from '../io/leader/lease.ts';
import { createLogger } from '../io/log.ts';
import { createOrphans } from '../io/pools/orphans.ts';
import { createPreflight, refusalOf } from '../io/pools/preflight.ts';
import { createQuarantine } from '../io/pools/quarantine.ts';
import { createPools, type Pools } from '../io/pools/rescue.ts';
import { connect } from '../io/redis/connection.ts';
import { explained, kindOfRedisError, UnusableRedisError } from '../io/redis/errors.ts';
import { keysOf } from '../io/redis/keys.ts';
import { isRefusedRight } from '../io/redis/refusals.ts';
import { createScripts } from '../io/redis/scripts.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';
import { createLifecycle, type Lifecycle } from '../lifecycle/lifecycle.ts';
import { waitingIn } from '../machines/graces.ts';
import { type JobOutcome, jobMachine, messageOf } from '../machines/job.ts';
import { laneMachine } from '../machines/lane.ts';
import { poolMachine } from '../machines/pool.ts';
import { type RescueResult, type SweepResult, scheduledPass, supervisorMachine } from '../machines/supervisor.ts';
import type { Policy } from '../machines/verdict.ts';
import { type ReaperOptions, readArguments, readOptions } from '../options.ts';
import { createExplain, type Explanation } from '../queries/explain.ts';
import { createStatus, type ReaperStatus } from '../queries/status.ts';
import { createDelivery } from './delivery.ts';
import { createEmitter, type Listener, type ReaperEvents } from './events.ts';
import { type Health, healthOf } from './health.ts';
import { createHostErrorReports } from './hostErrors.ts';
import type { Follow, InspectSettings, OpenInspector } from './inspection.ts';
import { waitFor } from './schedule.ts';
import { createCalls, createTimeLimit } from './stopping.ts';
import { type HookCounts, PassError, type RescueSummary, type SweepSummary } from './summaries.ts';

export interface Reaper {
  /** Sweeps and rescues from now on, at their intervals. */
  start(): void;
  /**
   * Finishes what is in hand, or gives it up after `timeout` ms (30,000), and closes what it has opened; a client of the
   * caller's stays open. Nothing keeps the process from ending afterwards. It takes `timeout` and a moment at the most,
   * whatever Redis does. Every call gives the same promise; one with a shorter `timeout` shortens the time.
   *
   * From the first call on, whatever else is asked for rejects at once with a StoppedError (`start` throws it), and what
   * was asked for before and is pending in the end rejects with one then.
   */
  stop(options?: { readonly timeout?: number }): Promise<void>;
  /**
   * One sweep over all tracked jobs, now. Resolves once every act has ended, and every hook that was due has been tried
   * (four times `hooks.totalTimeoutMs` are waited for that at the most). With `plan` it judges and changes nothing. Where Redis
   * refuses writes it is suspended, and `suspended` of the summary says why.
   * @throws PassError when it did not get to its end.
   */
  sweep(options?: { readonly plan?: boolean }): Promise<SweepSummary>;
  /**
   * One look for dead pools, now, through the names of all keys. Resolves once every suspected pool is rescued or
   * cleared. With `plan` it changes nothing; `grace` in ms overrides the configured one. Where something looks lost on a
   * live pool it waits for a second look (`rescue.lostAfterMs`), unless `grace` is 0.
   * @throws PassError when it did not get to its end.
   */
  rescue(options?: { readonly plan?: boolean; readonly grace?: number }): Promise<RescueSummary>;
  /**
   * Makes sure that Redis can be reached, and is the one that was asked for, within 3 s.
   * @throws UnusableRedisError where it answers and can't be used, or sentinels do not say where it is.
   * @throws Error that says where it was looked for, and the cause.
   */
  ping(): Promise<void>;
  /**
   * Where the inspector is found, its token included, once it listens; undefined where the option `inspect` is off.
   * @throws Error where it could not be opened.
   */
  inspectorUrl(): Promise<string | undefined>;
  /** How many jobs are tracked now; 0 where the tracking hash is no hash, which `status` names. */
  tracked(): Promise<number>;
  /** The namespace as it stands. Changes nothing. */
  status(): Promise<ReaperStatus>;
  /** Why a job is treated as it is, tracked or not, and where it is queued or held. Changes nothing. */
  explain(id: string): Promise<Explanation>;
  /**
   * All that the reaper depends on, each fine or with what to do: version, role, cluster mode and database of Redis, rights of
   * the user, namespace, types of keys, eviction, clocks. Changes nothing.
   * @throws Error where Redis can not be reached.
   */
  doctor(options?: DoctorOptions): Promise<DoctorReport>;
  /** Changes that receivers have not confirmed, and what may be done with them. */
  readonly undelivered: HooksAdmin;
  /** Jobs that were taken out of circulation, for their workers died, and what may be done with them. */
  readonly quarantine: QuarantineAdmin;
  /** For worker hosts that speak this data model. */
  readonly lifecycle: Lifecycle;
  health(): Health;
  on<Name extends keyof ReaperEvents>(name: Name, listener: Listener<Name>): void;
  off<Name extends keyof ReaperEvents>(name: Name, listener: Listener<Name>): void;
}

/**
 * Puts a reaper together. It opens no connection and sets no timer before it is asked to do something.
 *
 * @example
 * const reaper = createReaper({ redis: 'redis://127.0.0.1:6379/2', namespace: '{harbor_job_service_namespace}' });
 * reaper.on('job', ({ id, verdict, reason }) => console.log(id, verdict, reason));
 * reaper.start();
 * // …
 * await reaper.stop({ timeout: 10_000 });
 *
 * @throws OptionsError naming each option that can't be used.
 */
export const createReaper = (options: ReaperOptions): Reaper => {
  const settings = readOptions(options);
  const { namespace, sweep: sweepSettings, rescue: rescueSettings, hooks: hookSettings } = settings;
  const calls = createCalls();
  const timeLimit = createTimeLimit(settings.clock ?? systemClock);
  const clock = createReaperClock(settings.clock ?? systemClock);
  const random = settings.random ?? Math.random;
  const log = settings.logger === false ? createLogger('silent') : (settings.logger ?? createLogger('info'));

  const events = createEmitter((name, error) =>
    log.warn({ event: name, error: messageOf(error) }, 'a listener failed'),
  );
  /** What fails while Redis is away fails for that reason, which has been logged. */
  const levelNow = <Level extends string>(level: Level) => (connection.outage?.() === undefined ? level : 'debug');
  const fault = (where: string, error: string) => {
    log[levelNow('error')]({ where, error }, 'something failed');
    // The outage itself is an event already. What a pass could not do because of it is one too: its caller may wait for that.
    const outage = connection.outage?.();
    if (outage !== undefined && polls.has(where) && error.includes(outage.error.message)) return;
    events.emit('error', { where, error });
  };

  const connection = connect(
    settings.redis,
    ({ message: error }) => {
      log.error({ where: connectionName, error }, 'something failed');
      events.emit('error', { where: connectionName, error });
      events.emit('connection', { state: 'lost', redis: connection.description, error });
    },
    {
      sentinelUsername: settings.sentinelUsername,
      sentinelPassword: settings.sentinelPassword,
      onReminder: ({ message: error }, forMs) =>
        log.warn({ where: connectionName, error, forMs: Math.round(forMs) }, 'Redis can still not be used'),
      onRestored(forMs) {
        const durationMs = Math.round(forMs);
        log.info({ where: connectionName, durationMs }, 'Redis can be used again');
        events.emit('connection', { state: 'restored', redis: connection.description, durationMs });
      },
    },
  );
  const outageNow = () => {
    const outage = connection.outage?.();
    return outage && { error: outage.error.message, forMs: performance.now() - outage.since };
  };
  const keys = keysOf(namespace);
  const scripts = createScripts(connection.redis, () => !calls.hasEnded);
  const tracked = createTrackedJobs({ connection, keys, scripts, pageSize: sweepSettings.pageSize, random });
  const recovery = { most: rescueSettings.maxRecoveries, windowS: rescueSettings.recoveryWindowS };
  let uncounted: string | undefined;
  const pools = createPools({
    connection,
    keys,
    scripts,
    jobTypes: settings.jobTypes,
    heartbeatAge: rescueSettings.heartbeatAgeMs,
    grace: rescueSettings.graceMs,
    batch: rescueSettings.batch,
    recovery,
    clock,
    onUncounted(reason) {
      if (reason !== uncounted) fault('recording recoveries', reason);
      uncounted = reason;
    },
    disruptions: () => preflight.count(),
    onLostReply: (error) => preflight.countError(error),
    onClockAhead: (pool, seconds) =>
      log.warn({ clockAhead: { pool, seconds } }, 'the clock of this host is ahead of Redis: set it right'),
  });
  const preflight = createPreflight({
    connection,
    keys,
    onDisruption: (reason) =>
      log.warn({ disruptions: reason }, 'after a trouble, the grace of suspected pools begins again'),
  });
  const lease = createLease({ connection, keys, scripts, durationMs: settings.lease.durationMs, clock });
  /** Whether the scheduled passes are one host's. A plan changes nothing: it leaves the lease to those that do. */
  const isShared = settings.role === 'auto' && !settings.plan;
  const isScheduling = settings.role !== 'never';
  // A map, for a job type may have the name of a method.
  const limits = new Map<string | undefined, number>(Object.entries(settings.hungAfterByTypeS));
  const runLimits = new Map<string | undefined, number>(Object.entries(settings.runLimitByTypeS));
  const policy: Policy = {
    hungAfter: (type) => limits.get(type) ?? settings.hungAfterS,
    runLimit: (type) => runLimits.get(type),
    refireGrace: settings.refireGraceS,
    clockTolerance: settings.clockToleranceS,
  };
  const search = (visitor?: PlaceVisitor, noted?: Pick<Pools, 'note'>) =>
    createSearch({
      connection,
      keys,
      pools,
      seed: Math.floor(random() * 2 ** 32),
      ...(visitor === undefined ? {} : { visitor }),
      ...(noted === undefined ? {} : { noted }),
    });
  const open = (plan: boolean, from?: ScanPoint) =>
    scanWithEvidence({ tracked, from, policy, createSearch: () => search(undefined, plan ? undefined : pools) });

  let firstAttempts: HookCounts = { delivered: 0, failed: 0, parked: 0, skipped: 0 };
  const reportHostError = createHostErrorReports(clock, ({ code, error, count }) => {
    log.error({ where: sendingName, code, error, count }, 'this host can not send hooks');
    events.emit('error', { where: sendingName, error, code });
  });
  const onHook = (outcome: HookOutcome) => {
    if (outcome.attempt <= 1) firstAttempts = countHook(firstAttempts, outcome);
    const level = outcome.outcome === 'failed' || outcome.outcome === 'parked' ? 'warn' : 'debug';
    log[level]({ hook: outcome }, 'hook');
    reportHostError(outcome);
    events.emit('hook', outcome);
  };
  const delivery = createDelivery({
    connection,
    keys,
    scripts,
    settings: hookSettings,
    clock,
    random,
    onOutcome: onHook,
    fault,
  });
  const { hooks, records } = delivery;
  const quarantine = createQuarantine({
    keys,
    scripts,
    tracked,
    hooks,
    records,
    heartbeatAge: rescueSettings.heartbeatAgeMs,
    recovery,
    clock,
    onQuarantined(quarantined) {
      log.warn({ quarantined }, 'a poison job was quarantined');
      events.emit('quarantined', quarantined);
    },
    onLostReply: (error) => preflight.countError(error),
  });

  const orphans = createOrphans({
    connection,
    keys,
    scripts,
    heartbeatAge: rescueSettings.heartbeatAgeMs,
    orphanedAfter: rescueSettings.lostAfterMs,
    batch: rescueSettings.batch,
    recovery,
    quarantine,
    clock,
    onLeftAlone: (what) => log.warn({ leftAlone: what }, 'what looks lost is left where it is'),
  });

  const onJob = (outcome: JobOutcome) => {
    // The sweep says why, once for all of them.
    if (outcome.isRefused) log.debug({ job: jobLine(outcome) }, 'a job that is left to the next sweep');
    else if (outcome.outcome === 'abandoned') log.error({ job: jobLine(outcome) }, 'a job could not be mended');
    else if (outcome.outcome === 'fenced') log.debug({ job: jobLine(outcome) }, 'a job that is left to another host');
    else if (outcome.verdict !== 'kept') log.info({ job: jobLine(outcome) }, 'job');
    else if (outcome.reason === 'malformed')
      log.warn({ job: jobLine(outcome) }, 'a job that can not be judged, left as it is');
    else if (outcome.reason === 'clock-ahead')
      log.warn({ job: jobLine(outcome) }, 'every time of this job is ahead of the clock of Redis: it is kept');
    events.emit('job', outcome);
  };

  const doctor = createDoctor({
    connection,
    keys,
    namespace,
    database: databaseOf(settings.redis),
    clock,
    openConnection: openerOf(settings.redis, connection),
  });
  const startCheck = createStartCheck(doctor, {
    onChange(block) {
      suspended = block;
      if (block !== undefined) fault('the start', block);
    },
    onWarning: (check) => log.warn({ check }, check.detail),
  });
  /** What keeps passes from running, once it is started. A plan needs no right to write. */
  const startBlock = async () => (startedAt === undefined || settings.plan ? undefined : startCheck());
  const ensureAble = async () => {
    const block = await startBlock();
    if (block !== undefined) throw new Error(block);
  };

  let isFollowed: Follow = () => true;
  // In monotonic ms, as all times here that something is measured by.
  const dueAt: Record<ScheduledPass, number | undefined> = { sweep: undefined, rescue: undefined };
  /** When the schedule would have had one, without the plans that callers have asked for: a plan does nothing that it is for. */
  const keptDueAt: typeof dueAt = { sweep: undefined, rescue: undefined };
  const wait = (pass: ScheduledPass, delay: number) => {
    const now = clock.monotonic();
    const due = Math.min(now + delay, keptDueAt[pass] ?? Number.POSITIVE_INFINITY);
    dueAt[pass] = due;
    return Math.max(0, due - now);
  };
  const keepDue = (pass: ScheduledPass, { number, plan }: { number: number; plan: boolean }) => {
    const due = dueAt[pass] ?? 0;
    if (number === scheduledPass || !plan) keptDueAt[pass] = undefined;
    else if (due > clock.monotonic()) keptDueAt[pass] ??= due;
  };
  const job = jobMachine.provide({
    actors: createJobActors(createJobActs({ keys, scripts, tracked, hooks, records, clock })),
  });
  const machine = supervisorMachine.provide({
    actors: {
      lane: laneMachine.provide({ actors: { job } }),
      pool: poolMachine.provide({ actors: createPoolActors(pools, quarantine, preflight) }),
      ...createSweepActors(
        async (plan, from) => {
          await ensureAble();
          return open(plan, from);
        },
        lease,
        preflight,
      ),
      ...createLeaseActors({
        ...lease,
        async take(fence) {
          await ensureAble();
          return lease.take(fence);
        },
      }),
      examine: createExamine({
        job,
        enqueue: hooks.enqueue,
        enqueuePlan: hooks.plan,
        refusalOf,
        isFollowed: (id, judgement) => isFollowed(id, judgement),
        observe: onJob,
      }),
      ...createRescueActors(
        pools,
        orphans,
        {
          ...preflight,
          async check(isPlan) {
            const blocked = await startBlock();
            return blocked === undefined ? preflight.check(isPlan) : { blocked };
          },
        },
        lease,
      ),
    },
    delays: {
      sweepDelay: ({ context: { isFirstSweep, sweepFailedIn } }) => {
        const factor = 1 + sweepSettings.jitter * (random() - 0.5);
        const delay = delayOf('sweep', {
          interval: sweepSettings.intervalMs * factor,
          first: sweepSettings.firstAfterMs * factor,
          isFirst: isFirstSweep,
          hasFailed: sweepFailedIn !== undefined,
        });
        return wait('sweep', delay);
      },
      rescueDelay: ({ context: { isFirstRescue, rescueFailedIn } }) => {
        const { intervalMs: interval, firstAfterMs: first } = rescueSettings;
        const delay = delayOf('rescue', {
          interval,
          first,
          isFirst: isFirstRescue,
          hasFailed: rescueFailedIn !== undefined,
        });
        return wait('rescue', delay);
      },
      graceLeft: ({ context: { graces } }) => Math.max(0, (graces[0]?.dueAt ?? 0) - clock.monotonic()),
      leaseRenewal: settings.lease.renewMs,
    },
  });
  const supervisor = createActor(machine, {
    clock,
    input: {
      policy,
      lanes: sweepSettings.lanes,
      poolSlots: rescueSettings.atOnce,
      poolGrace: rescueSettings.graceMs,
      plan: settings.plan,
      needsLease: isShared,
    },
  });

  /** Passes that callers wait for, by number; scheduled ones have the number 0. */
  let passes = 0;
  const sweepWaiters = new Map<number, (summary: SweepSummary) => void>();
  const rescueWaiters = new Map<number, (summary: RescueSummary) => void>();
  const began = new Map<string, { at: number; hooks: HookCounts }>();
  let lastSweepAt: number | undefined;
  let lastRescueAt: number | undefined;
  /** The latest pass of which it is known whether it could look: earlier ones may still wait for their pools. */
  let lookedIn = 0;
  let suspended: string | undefined;
  let sweepSuspended: string | undefined;
  let startedAt: number | undefined;
  let isRunning = false;
  let stopping: Promise<void> | undefined;

  /** A first pass of its own, then every interval; or when the one that all hosts share is due. */
  const delayOf = (
    pass: 'sweep' | 'rescue',
    {
      first,
      isFirst,
      interval,
      hasFailed,
    }: Record<'first' | 'interval', number> & Record<'isFirst' | 'hasFailed', boolean>,
  ) => {
    if (!isShared) return isFirst ? first : interval;
    const now = clock.monotonic();
    return waitFor({ pass, now, firstAt: (startedAt ?? now) + first, interval, hasFailed, shared: lease.seen() });
  };

  const elapsedSince = (at: number) => Math.round(clock.monotonic() - at);
  const markBegin = (key: string) => began.set(key, { at: clock.monotonic(), hooks: firstAttempts });
  const takeBegin = (key: string) => {
    const begin = began.get(key) ?? { at: clock.monotonic(), hooks: firstAttempts };
    began.delete(key);
    return begin;
  };

  supervisor.on('job', ({ outcome }) => onJob(outcome));
  supervisor.on('pool', ({ outcome: ended, since }) => {
    const outcome = { ...ended, durationMs: elapsedSince(since) };
    const isQuiet = outcome.outcome === 'alive' || outcome.outcome === 'cleaned';
    const level = outcome.outcome === 'abandoned' ? 'error' : isQuiet ? 'debug' : 'info';
    log[level]({ pool: outcome }, 'pool');
    events.emit('pool', outcome);
  });
  supervisor.on('lost', ({ entry }) => {
    log.warn({ entry }, entry.plan ? 'a lost entry would be put back' : 'a lost entry was put back');
    events.emit('lost', entry);
  });
  supervisor.on('finished', ({ entry }) => {
    log.warn({ entry }, entry.plan ? 'a stale entry would be removed' : 'a stale entry was removed: its job had ended');
    events.emit('finished', entry);
  });
  supervisor.on('fault', ({ where, error }) => fault(where, error));
  supervisor.on('lease', ({ holds, host }) => {
    if (!holds) [dueAt.sweep, dueAt.rescue] = [undefined, undefined];
    log.info({ lease: { holds, host } }, holds ? 'this host does the scheduled passes' : 'another host does them');
    events.emit('lease', { holds, host });
  });
  supervisor.on('sweep.started', ({ request }) => {
    keepDue('sweep', request);
    markBegin(`sweep ${request.number}`);
  });
  supervisor.on('rescue.started', ({ request, pass }) => {
    keepDue('rescue', request);
    markBegin(`rescue ${pass}`);
  });
  supervisor.on('sweep.ended', ({ result }) => {
    const begin = takeBegin(`sweep ${result.number}`);
    const summary = sweepSummary(result, elapsedSince(begin.at), () => lessHooks(firstAttempts, begin.hooks));
    if (result.suspended !== undefined && result.suspended !== sweepSuspended) fault('sweeping', result.suspended);
    if (!result.plan && result.error === undefined) sweepSuspended = result.suspended;
    if (result.suspended !== undefined) log.info({ sweep: summary }, 'a sweep was suspended');
    else if (result.error === undefined) {
      lastSweepAt = clock.monotonic();
      log.info({ sweep: summary }, 'sweep');
    } else log[levelNow('error')]({ sweep: summary }, 'a sweep did not get to its end');
    events.emit('sweep', summary);
    sweepWaiters.get(result.number)?.(summary);
    sweepWaiters.delete(result.number);
  });
  supervisor.on('rescue.ended', ({ result, pass }) => {
    const summary = rescueSummary(result, elapsedSince(takeBegin(`rescue ${pass}`).at));
    // Each pool and each entry has a line of its own.
    const { changes: _, ...line } = summary;
    if (result.suspended !== undefined && result.suspended !== suspended) fault('judging pools', result.suspended);
    const isLatest = result.error === undefined && (pass ?? 0) > lookedIn;
    if (isLatest) [lookedIn, suspended] = [pass ?? 0, result.suspended];
    const isQuiet = [
      result.suspects - result.pools.cleaned,
      result.lost,
      result.finished,
      result.drift.length,
      result.unreadable.length,
    ].every((n) => n === 0);
    if (result.error === undefined) {
      if (isLatest && result.suspended === undefined) lastRescueAt = clock.monotonic();
      log[isQuiet ? 'debug' : 'info']({ rescue: line }, 'rescue');
    } else log[levelNow('error')]({ rescue: line }, 'a look for dead pools did not get to its end');
    events.emit('rescue', summary);
    rescueWaiters.get(result.number)?.(summary);
    rescueWaiters.delete(result.number);
  });
  supervisor.subscribe({ error: (error) => fault('the supervisor', messageOf(error)) });

  let inspector: Promise<OpenInspector> | undefined;
  const awake = () => {
    calls.check();
    if (isRunning) return;
    isRunning = true;
    supervisor.start();
    if (settings.inspect === false) return;
    inspector = openInspector(settings.inspect);
    inspector.catch(() => undefined); // It is reported; that nobody asks for its URL must not end the process.
  };

  const timeOfDayAt = (at: number | undefined) =>
    at === undefined ? undefined : Math.round(clock.now() + at - clock.monotonic());
  /** Loaded only where it is asked for. One that can't be opened keeps nothing from being supervised. */
  const openInspector = async (inspect: InspectSettings): Promise<OpenInspector> => {
    try {
      const { openInspector: open } = await import('../../visualize/inspector.ts');
      return await open({
        reaper,
        supervisor,
        dispatcher: delivery.actor,
        namespace,
        redis: connection.description,
        plan: settings.plan,
        clock,
        settings: inspect,
        now: () => ({
          hooksInFlight: delivery.inFlight(),
          sweepDueAt: timeOfDayAt(dueAt.sweep),
          rescueDueAt: timeOfDayAt(dueAt.rescue),
          waitingPools: waitingIn(supervisor.getSnapshot().context).map(({ input, since }) => ({
            pool: input.suspect.pool,
            since: timeOfDayAt(since) as number,
          })),
          leader: lease.seen()?.leader,
        }),
        follow: (choose) => {
          isFollowed = choose;
        },
        fault,
      });
    } catch (error) {
      fault('the inspector', messageOf(error));
      throw error;
    }
  };
  /** What a caller asks for is seen from its begin, where there is an inspector to see it. */
  const awakeAndSeen = async () => {
    awake();
    if (inspector === undefined) return;
    await inspector.catch(() => undefined);
    awake();
  };

  const shutDown = async () => {
    calls.refuse();
    const closing = createReaperClock(systemClock);
    const isOver = timeLimit.isUp.then(() => pause(closing, closingTime));
    let leaving: Promise<unknown> | undefined;
    if (isRunning) {
      const over = new Promise<void>((resolve) => {
        supervisor.subscribe({ complete: () => resolve(), error: () => resolve() });
      });
      supervisor.send({ type: 'stop' });
      await Promise.race([over, timeLimit.isUp]);
      const { term } = supervisor.getSnapshot().context;
      supervisor.stop();
      // What was in hand is done, or is fenced from now on. A Redis that is away is not waited for.
      if (term?.fence !== undefined) leaving = within(closing, leavingTime, lease.leave());
    }
    const ends = [leaving, inspector?.then(({ close }) => close()), delivery.stop(timeLimit.isUp), calls.settled()];
    await Promise.race([Promise.allSettled(ends), isOver]);
    calls.end();
    clock.end();
    preflight.close();
    await connection.close(Math.min(quittingTime, timeLimit.left() + closingTime));
    closing.end();
    timeLimit.end();
  };

  const whole: Reaper = {
    start() {
      awake();
      startedAt ??= clock.monotonic();
      const schedule = () => {
        if (stopping === undefined && isScheduling) supervisor.send({ type: 'schedule' });
      };
      // A first sweep that comes at once is seen from its begin too.
      if (inspector === undefined) schedule();
      else void inspector.then(schedule, schedule);
      if (!settings.plan) delivery.watch();
    },

    stop(options) {
      try {
        timeLimit.setTo(readArguments('stop', options).timeout ?? 30_000);
      } catch (error) {
        return Promise.reject(error);
      }
      stopping ??= shutDown();
      return stopping;
    },

    async sweep(options) {
      const { plan = false } = readArguments('sweep', options);
      await awakeAndSeen();
      const number = ++passes;
      const ended = new Promise<SweepSummary>((resolve) => sweepWaiters.set(number, resolve));
      supervisor.send({ type: 'sweep.now', request: { number, plan } });
      const summary = await ended;
      // Bounded: what others enqueue all the time must not keep a caller for ever.
      if (!summary.plan && summary.suspended === undefined)
        await within(clock, 4 * hookSettings.totalTimeoutMs, delivery.quiet());
      if (summary.error !== undefined) throw new PassError('sweep', summary);
      return { ...summary }; // The counts of hooks as they stand now; they grow no more.
    },

    async rescue(options) {
      const { plan = false, grace } = readArguments('rescue', options);
      await awakeAndSeen();
      const number = ++passes;
      const ended = new Promise<RescueSummary>((resolve) => rescueWaiters.set(number, resolve));
      supervisor.send({ type: 'rescue.now', request: { number, plan, grace, thorough: true } });
      const summary = await ended;
      if (summary.error !== undefined) throw new PassError('rescue', summary);
      return summary;
    },

    async ping() {
      let failure: unknown;
      const answered = await within(
        clock,
        3_000,
        connection.redis.ping().catch((error) => {
          // A refusal is an answer too: a Redis that can't save to disk refuses PING as if it were a write.
          if (isRefusedRight(error) || kindOfRedisError(error) === 'refused') return;
          failure = error;
          return Promise.reject(error);
        }),
      ).catch(() => false);
      if (answered) return;
      const cause = connection.outage?.()?.error ?? failure;
      if (cause instanceof UnusableRedisError) throw cause;
      const why = cause === undefined ? 'no answer within 3 s' : explained(cause);
      throw new Error(
        `Redis at ${connection.description} can not be reached (${why}): is it up, are host, port and password right?`,
      );
    },

    async inspectorUrl() {
      if (settings.inspect !== false) awake();
      return (await inspector)?.url;
    },

    tracked: () => unlessWrongType(connection.redis.hlen(keys.track), 0),
    status: createStatus({ connection, keys, namespace, open: () => open(true), pools, policy, records, lease }),
    explain: createExplain({ connection, keys, tracked, policy, records, createSearch: search }),
    async doctor(options) {
      const refusal = await reaper.ping().then(() => undefined, checkOfRefusal);
      return refusal === undefined ? doctor(options) : doctor.reportOf([refusal]);
    },
    undelivered: createHooksAdmin(delivery, settings.plan),
    quarantine: createQuarantineAdmin(quarantine, settings.plan),
    lifecycle: createLifecycle({ connection, keys, scripts, delivery, clock }),

    health: () =>
      healthOf({
        now: clock.monotonic(),
        timeOfDay: clock.now(),
        startedAt: isScheduling ? startedAt : undefined,
        lastSweepAt,
        lastRescueAt,
        shared: isShared ? lease.seen() : undefined,
        suspended,
        sweepSuspended,
        outage: outageNow(),
        sweep: sweepSettings,
        rescue: rescueSettings,
      }),

    on: events.on,
    off: events.off,
  };
  const { start, stop, health, on, off, undelivered, quarantine: poison, lifecycle, ...asked } = whole;
  const reaper: Reaper = {
    ...{ start, stop, health, on, off },
    ...calls.guard(asked),
    undelivered: calls.guard(undelivered, 'list'),
    quarantine: calls.guard(poison, 'list'),
    lifecycle: calls.guard({
      save: async (job) => calls.guard(await lifecycle.save(job)),
      load: async (id) => {
        const attempt = await lifecycle.load(id);
        return attempt === undefined ? undefined : calls.guard(attempt);
      },
    } satisfies Lifecycle),
  };
  return reaper;
};

/** For how long a stop waits at the most, in ms: once its time is up, for the lease and for QUIT each; else for either. */
const closingTime = 30;
const leavingTime = 3_000;
const quittingTime = 1_000;
const connectionName = 'the connection to Redis';
const sendingName = 'sending hooks from this host';
/** What is asked of Redis all the time, whether or not there is something to do. */
const polls: ReadonlySet<string> = new Set([
  'asking for the lease',
  'looking for hooks to send',
  'watching heartbeats',
]);

type ScheduledPass = 'sweep' | 'rescue';

const jobLine = ({ id, verdict, reason, detail, outcome, facts, error }: JobOutcome) => ({
  id,
  type: facts.name,
  status: facts.status,
  verdict,
  reason,
  detail,
  outcome,
  error,
});

/** The counts of hooks are read when they are asked for: they grow until their first attempts have ended. */
const sweepSummary = (
  { number: _, ...result }: SweepResult,
  durationMs: number,
  hooks: () => HookCounts,
): SweepSummary => ({
  plan: result.plan,
  ...result.tally,
  durationMs,
  ...(result.suspended === undefined ? {} : { suspended: result.suspended }),
  ...(result.error === undefined ? {} : { error: result.error }),
  get hooks() {
    return hooks();
  },
});

const rescueSummary = ({ number: _, ...result }: RescueResult, durationMs: number): RescueSummary => ({
  ...result,
  durationMs,
});

const countHook = (counts: HookCounts, { outcome, ours }: HookOutcome): HookCounts =>
  ours === undefined ? { ...counts, [outcome]: counts[outcome] + 1 } : { ...counts, ours: (counts.ours ?? 0) + 1 };

const oursOf = (ours: number) => (ours === 0 ? {} : { ours });

const lessHooks = (a: HookCounts, b: HookCounts): HookCounts => ({
  delivered: a.delivered - b.delivered,
  failed: a.failed - b.failed,
  parked: a.parked - b.parked,
  skipped: a.skipped - b.skipped,
  ...oursOf((a.ours ?? 0) - (b.ours ?? 0)),
});
