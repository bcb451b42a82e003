import { createDoctor } from '../doctor/doctor.ts';
import { sourceOf } from '../doctor/source.ts';
import { type Clock, createReaperClock, systemClock } from '../io/clock.ts';
import { type CodedLogger, createLogger } from '../io/log.ts';
import { createDeps } from '../io/redis/deps.ts';
import type { ReaperSettings } from '../options.ts';
import { createCalls } from './calls.ts';
import { connectReported } from './connectionReports.ts';
import { createEmitter, type Emitter } from './events.ts';
import { createInspection } from './openInspector.ts';
import { createPasses } from './passes.ts';
import { createPassReports } from './passReports.ts';
import { createPorts } from './ports.ts';
import { type Counted, createRepeats, mergeCounts } from './repeats.ts';
import { createReporting } from './reporting.ts';
import { createSchedule } from './schedule.ts';
import { createServing } from './serving.ts';
import { createStartBlock } from './startBlock.ts';
import { createShutDown, createTimeLimit } from './stopping.ts';
import { createSupervision, type Supervision } from './supervision.ts';
import { createTracing } from './tracing.ts';

/**
 * Creates the parts of a reaper and connects them. Wiring only.
 *
 * @param prepare awaited before a requested pass begins.
 */
export const createParts = (settings: ReaperSettings, prepare: () => Promise<void>) => {
  const random = settings.random ?? Math.random;
  const baseClock = settings.clock ?? systemClock;
  const clock = createReaperClock(baseClock);
  const calls = createCalls();
  const timeLimit = createTimeLimit(baseClock);
  const log = loggerOf(settings);
  const { emit, end: endEvents, ...source } = createReportedEmitter(log, clock);

  const connection = connectReported(settings, log, emit);
  const outage = () => connection.outage?.();
  const deps = createDeps({
    ...{ connection, namespace: settings.namespace, clock, log },
    ...settings.audit,
    mayRun: () => !calls.hasEnded,
    onScript: (name, ms) => metrics.script(name, ms),
    onRefused: (reason) => reporting.fault('recording acts', reason),
  });
  const reporting = createReporting({ ...deps, emit, outage });
  const passReports = createPassReports({ ...deps, emit, reporting });
  const inspection = createInspection(settings.inspect, reporting.fault);
  const ports = createPorts(deps, settings, random, reporting, () => supervision);
  const { lease, delivery, preflight } = ports;

  const { isShared, isScheduling } = schedulingOf(settings);
  const schedule = createSchedule({ settings, clock, random, lease, isShared });
  const doctor = createDoctor({ ...deps, namespace: settings.namespace, ...sourceOf(settings.redis, connection) });
  const startBlock = createStartBlock({
    ...{ doctor, log, onChange: passReports.block },
    isChecked: () => schedule.startedAt() !== undefined && !settings.plan,
  });
  const passes = createPasses({
    ...{ clock, prepare },
    send: (request) => supervision.send(request),
    hooks: delivery,
    hookTimeout: 4 * settings.hooks.timeout,
  });
  const supervision: Supervision = createSupervision({
    ...{ deps, settings, ports, schedule, startBlock, reporting, passReports, passes, isShared },
    isFollowed: inspection.isFollowed,
    onFalseDeath: () => metrics.falseDeath(),
    onPassStarted: createTracing(source, clock).passStarted,
  });
  const { health, metrics, http } = createServing({
    ...{ deps, settings, source, ports, schedule, passReports, supervision, calls, reporting, outage },
    ...{ isShared, isScheduling },
  });
  const shutDown = createShutDown({
    ...{ calls, timeLimit, supervision, inspection, http, delivery, preflight, connection, clock },
    ...{ reporting, endEvents },
  });
  return {
    ...{ calls, clock, connection, deps, doctor, inspection, passes, ports, reporting, shutDown },
    ...{ health, http, metrics, schedule, supervision, timeLimit, isScheduling },
    passState: passReports.state,
    /** The methods for listeners. */
    source,
  };
};

const schedulingOf = ({ role, plan }: ReaperSettings) => ({
  /** One host runs the scheduled passes of all hosts. A plan changes nothing: it leaves the lease to others. */
  isShared: role === 'auto' && !plan,
  /** Whether this host may run scheduled passes. */
  isScheduling: role !== 'never',
});

const loggerOf = ({ logger }: ReaperSettings): CodedLogger =>
  logger === false ? createLogger('silent') : (logger ?? createLogger('info'));

/** Errors of listeners of one event since the last line about them. */
interface ListenerFailure extends Counted {
  readonly event: string;
  readonly err: unknown;
}

const createReportedEmitter = (log: CodedLogger, clock: Clock): Emitter => {
  const failures = createRepeats<ListenerFailure>(clock, mergeCounts, (failure) =>
    log.warn({ code: 'listener-failed', ...failure }, 'a listener failed'),
  );
  const emitter = createEmitter((event, err) => failures.add(event, { event, err, count: 1 }));
  return {
    ...emitter,
    end() {
      failures.flush(true);
      emitter.end();
    },
  };
};
