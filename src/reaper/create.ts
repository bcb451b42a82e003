import { createAuditAdmin } from '../admin/audit.ts';
import { createHooksAdmin } from '../admin/hooks.ts';
import { createQuarantineAdmin } from '../admin/quarantine.ts';
import { checkOfRefusal } from '../doctor/doctor.ts';
import { sourceOf } from '../doctor/source.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';
import { createLifecycle, type Lifecycle } from '../lifecycle/lifecycle.ts';
import type { ReaperOptions } from '../options/generated.ts';
import { type ReaperSettings, readArguments, readOptions } from '../options.ts';
import { createElsewhere } from '../queries/elsewhere.ts';
import { createExplain } from '../queries/explain.ts';
import { createStatus } from '../queries/status.ts';
import type { Calls } from './calls.ts';
import { type Inspectable, makeInspectable } from './inspection.ts';
import { createParts } from './parts.ts';
import { createPing } from './ping.ts';
import type { Reaper } from './reaper.ts';
import { createReload } from './reload.ts';

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
 * @throws OptionsError naming each option that cannot be used.
 */
export const createReaper = (options: ReaperOptions): Reaper => {
  const settings = readOptions(options);
  const parts = createParts(settings, () => wakeForInspector());
  const { calls, inspection, passes, schedule, supervision } = parts;
  const { delivery } = parts.ports;
  let isAwake = false;
  let stopping: Promise<void> | undefined;

  const wake = () => {
    calls.check();
    if (isAwake) return;
    isAwake = true;
    supervision.start();
    parts.http.open();
    inspection.open(inspected, parts.http);
  };
  const inspected = () => inspectableOf(reaper, settings, parts);
  /** Waits for the inspector, so that it shows a requested pass from its start. */
  const wakeForInspector = async () => {
    wake();
    await inspection.settled();
    wake();
  };

  const reaper = guarded(calls, {
    start() {
      wake();
      schedule.start();
      const begin = () => {
        if (stopping === undefined && parts.isScheduling) supervision.schedule();
      };
      const seen = inspection.settled();
      if (seen === undefined) begin();
      else void seen.then(begin);
      if (!settings.plan) delivery.watch();
    },
    stop(given) {
      try {
        parts.timeLimit.setTo(readArguments('stop', given).timeout ?? 30_000);
      } catch (error) {
        return Promise.reject(error);
      }
      stopping ??= parts.shutDown();
      return stopping;
    },
    reload: createReload({ settings, calls, delivery, supervision }),
    [Symbol.asyncDispose]: () => reaper.stop(),
    ...{ ...parts.source, sweep: passes.sweep, rescue: passes.rescue },
    ...urlsOf(settings, parts, wake),
    ...queriesOf(parts, settings),
    ...{ health: parts.health, metrics: parts.metrics.text, rescueProgress: parts.supervision.rescueProgress },
  });
  makeInspectable(reaper, () => {
    wake();
    return inspected();
  });
  if (settings.signal !== undefined) stopOn(settings.signal, reaper);
  return reaper;
};

/** What the inspector sees of a reaper. */
const inspectableOf = (
  reaper: Reaper,
  settings: ReaperSettings,
  { clock, connection, inspection, ports, reporting, schedule, supervision }: ReturnType<typeof createParts>,
): Inspectable => {
  const timeOfDayAt = (at: number | undefined) =>
    at === undefined ? undefined : Math.round(clock.now() + at - clock.monotonic());
  return {
    ...{ reaper, supervisor: supervision.actor, clock, fault: reporting.fault },
    ...{ namespace: settings.namespace, redis: connection.description, plan: settings.plan },
    follow: inspection.follow,
    now: () => ({
      hooksInFlight: ports.delivery.inFlight(),
      sweepDueAt: timeOfDayAt(schedule.dueAt('sweep')),
      rescueDueAt: timeOfDayAt(schedule.dueAt('rescue')),
      waitingPools: supervision.waitingPools(),
      leader: ports.lease.seen()?.leader,
    }),
  };
};

/** Where the servers of a reaper listen, once they do. */
const urlsOf = (
  settings: ReaperSettings,
  { inspection, http }: Pick<ReturnType<typeof createParts>, 'inspection' | 'http'>,
  wake: () => void,
): Pick<Reaper, 'inspectorUrl' | 'httpUrl'> => ({
  async inspectorUrl() {
    if (settings.inspect !== false) wake();
    return inspection.url();
  },
  async httpUrl() {
    if (settings.http !== false) wake();
    return http.url();
  },
});

/** The methods that work on Redis and need no actor of the supervisor. */
const queriesOf = (
  { deps, ports, doctor, passState }: Pick<ReturnType<typeof createParts>, 'deps' | 'ports' | 'doctor' | 'passState'>,
  settings: ReaperSettings,
) => {
  const { connection, keys } = deps;
  const { pools, policy, tracked, lease, delivery } = ports;
  const { hooks, records } = delivery;
  const ping = createPing(deps);
  const { namespace } = settings;
  const given = { redis: connection.redis, namespace, ...sourceOf(settings.redis, connection) };
  const findElsewhere = createElsewhere(given, settings.redis, connection.description);
  return {
    ping,
    tracked: () => unlessWrongType(connection.redis.hlen(keys.track), 0),
    status: createStatus({
      ...{ ...deps, settings, pools, policy, records, lease },
      open: () => ports.scan(true),
      suspended: () => passState().suspended.rescue ?? passState().suspended.sweep,
      findElsewhere,
    }),
    explain: createExplain({
      ...{ ...deps, namespace, tracked, pools, policy, records, hooks, findElsewhere },
      createSearch: ports.search,
    }),
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
  const { start, stop, reload, health, rescueProgress, on, off, once, events, ...others } = reaper;
  const { hooks, quarantine, audit, lifecycle, ...asked } = others;
  return {
    ...{ start, stop, reload, health, rescueProgress, on, off, once, events },
    ...{ [Symbol.asyncDispose]: reaper[Symbol.asyncDispose] },
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
