import { createAuditAdmin } from '../admin/audit.ts';
import { createHooksAdmin } from '../admin/hooks.ts';
import { createQuarantineAdmin } from '../admin/quarantine.ts';
import { checkOfRefusal, createDoctor } from '../doctor/doctor.ts';
import { databaseOf, openerOf } from '../doctor/source.ts';
import { createReaperClock, systemClock } from '../io/clock.ts';
import { createLogger } from '../io/log.ts';
import { createDeps, type Deps } from '../io/redis/deps.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';
import { createLifecycle, type Lifecycle } from '../lifecycle/lifecycle.ts';
import { messageOf } from '../machines/job.ts';
import { type ReaperOptions, type ReaperSettings, readArguments, readOptions } from '../options.ts';
import { createExplain } from '../queries/explain.ts';
import { createStatus } from '../queries/status.ts';
import { type Calls, createCalls } from './calls.ts';
import { connectReported } from './connectionReports.ts';
import { createEmitter } from './events.ts';
import { createHealth } from './health.ts';
import { createInspection, makeInspectable } from './inspection.ts';
import { createPasses } from './passes.ts';
import { createPassReports } from './passReports.ts';
import { createPing } from './ping.ts';
import { createPorts, type Ports } from './ports.ts';
import type { Reaper } from './reaper.ts';
import { createReporting } from './reporting.ts';
import { createSchedule } from './schedule.ts';
import { createStartBlock } from './startBlock.ts';
import { createShutDown, createTimeLimit } from './stopping.ts';
import { createSupervision } from './supervision.ts';

/**
 * Creates a reaper. It opens no connection and sets no timer before its first method call.
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
  const random = settings.random ?? Math.random;
  const baseClock = settings.clock ?? systemClock;
  const clock = createReaperClock(baseClock);
  const calls = createCalls();
  const timeLimit = createTimeLimit(baseClock);
  const log = settings.logger === false ? createLogger('silent') : (settings.logger ?? createLogger('info'));
  const { emit, end, ...source } = createEmitter((event, error) =>
    log.warn({ event, error: messageOf(error) }, 'a listener failed'),
  );

  const connection = connectReported(settings, log, emit);
  const outage = () => connection.outage?.();
  const deps = createDeps({
    ...{ connection, namespace: settings.namespace, clock, log },
    ...settings.audit,
    mayRun: () => !calls.hasEnded,
    onRefused: (reason) => reporting.fault('recording acts', reason),
  });
  const reporting = createReporting({ ...deps, emit, outage });
  const passReports = createPassReports({ ...deps, emit, reporting });
  const inspection = createInspection(settings.inspect, reporting.fault);
  const ports = createPorts(deps, settings, random, reporting, () => supervision);
  const { lease, delivery, preflight } = ports;

  /** One host runs the scheduled passes of all hosts. A plan changes nothing: it leaves the lease to others. */
  const isShared = settings.role === 'auto' && !settings.plan;
  const isScheduling = settings.role !== 'never';
  const schedule = createSchedule({ settings, clock, random, lease, isShared });
  const doctor = createDoctor({
    ...deps,
    namespace: settings.namespace,
    database: databaseOf(settings.redis),
    openConnection: openerOf(settings.redis, connection),
  });
  const startBlock = createStartBlock({
    ...{ doctor, log, onChange: passReports.block },
    isChecked: () => schedule.startedAt() !== undefined && !settings.plan,
  });
  const passes = createPasses({
    clock,
    prepare: () => awakeAndSeen(),
    send: (request) => supervision.send(request),
    hooksAttempted: delivery.quiet,
    hookTimeout: 4 * settings.hooks.timeout,
  });
  const supervision = createSupervision({
    ...{ deps, settings, ports, schedule, startBlock, reporting, passReports, passes, isShared },
    isFollowed: inspection.isFollowed,
  });
  const shutDown = createShutDown({
    ...{ calls, timeLimit, supervision, inspection, delivery, preflight, connection, clock },
  });
  let isAwake = false;
  let stopping: Promise<void> | undefined;

  const timeOfDayAt = (at: number | undefined) =>
    at === undefined ? undefined : Math.round(clock.now() + at - clock.monotonic());
  const awake = () => {
    calls.check();
    if (isAwake) return;
    isAwake = true;
    supervision.start();
    inspection.open(inspected);
  };
  const inspected = () => ({
    ...{ reaper, supervisor: supervision.actor, clock, fault: reporting.fault },
    ...{ namespace: settings.namespace, redis: connection.description, plan: settings.plan },
    follow: inspection.follow,
    now: () => ({
      hooksInFlight: delivery.inFlight(),
      sweepDueAt: timeOfDayAt(schedule.dueAt('sweep')),
      rescueDueAt: timeOfDayAt(schedule.dueAt('rescue')),
      waitingPools: supervision.waitingPools(),
      leader: lease.seen()?.leader,
    }),
  });
  /** Waits for the inspector, so that it shows a requested pass from its start. */
  const awakeAndSeen = async () => {
    awake();
    await inspection.settled();
    awake();
  };

  const reaper = guarded(calls, {
    start() {
      awake();
      schedule.start();
      const begin = () => {
        if (stopping === undefined && isScheduling) supervision.schedule();
      };
      const seen = inspection.settled();
      if (seen === undefined) begin();
      else void seen.then(begin);
      if (!settings.plan) delivery.watch();
    },
    stop(given) {
      try {
        timeLimit.setTo(readArguments('stop', given).timeout ?? 30_000);
      } catch (error) {
        return Promise.reject(error);
      }
      stopping ??= shutDown().finally(end);
      return stopping;
    },
    [Symbol.asyncDispose]: () => reaper.stop(),
    ...{ ...source, sweep: passes.sweep, rescue: passes.rescue },
    async inspectorUrl() {
      if (settings.inspect !== false) awake();
      return inspection.url();
    },
    ...queriesOf(deps, settings, ports, doctor),
    health: createHealth({
      ...{ settings, schedule, lease, passReports, outage, clock, isScheduling, isShared },
      failed: supervision.failed,
    }),
  });
  makeInspectable(reaper, () => {
    awake();
    return inspected();
  });
  if (settings.signal !== undefined) stopOn(settings.signal, reaper);
  return reaper;
};

/** The methods that work on Redis and need no actor of the supervisor. */
const queriesOf = (deps: Deps, settings: ReaperSettings, ports: Ports, doctor: ReturnType<typeof createDoctor>) => {
  const { connection, keys } = deps;
  const { pools, policy, tracked, lease, delivery } = ports;
  const { records } = delivery;
  const ping = createPing(deps);
  return {
    ping,
    tracked: () => unlessWrongType(connection.redis.hlen(keys.track), 0),
    status: createStatus({
      ...deps,
      ...{ namespace: settings.namespace, pools, policy, records, lease },
      open: () => ports.scan(true),
    }),
    explain: createExplain({ ...deps, tracked, policy, records, createSearch: ports.search }),
    doctor: (async (options) => {
      const refusal = await ping().then(() => undefined, checkOfRefusal);
      return refusal === undefined ? doctor(options) : doctor.reportOf([refusal]);
    }) satisfies Reaper['doctor'],
    hooks: createHooksAdmin(delivery, settings.plan),
    quarantine: createQuarantineAdmin(ports.quarantine, settings.plan),
    audit: createAuditAdmin(deps, settings.plan),
    lifecycle: createLifecycle({ ...deps, delivery }),
  };
};

/** Lets `stop` refuse and await the calls of all methods that ask Redis. */
const guarded = (calls: Calls, reaper: Reaper): Reaper => {
  const { start, stop, health, on, off, once, events, hooks, quarantine, audit, lifecycle, ...asked } = reaper;
  return {
    ...{ start, stop, health, on, off, once, events, [Symbol.asyncDispose]: reaper[Symbol.asyncDispose] },
    ...calls.guard(asked),
    hooks: calls.guard(hooks, 'list'),
    quarantine: calls.guard(quarantine, 'list'),
    audit: calls.guard(audit, 'list'),
    lifecycle: calls.guard({
      save: async (job) => calls.guard(await lifecycle.save(job)),
      load: async (id) => {
        const attempt = await lifecycle.load(id);
        return attempt === undefined ? undefined : calls.guard(attempt);
      },
    } satisfies Lifecycle),
  };
};

/** Stops the reaper when the signal is aborted. */
const stopOn = (signal: AbortSignal, reaper: Reaper): void => {
  const stop = () => void reaper.stop();
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
};
