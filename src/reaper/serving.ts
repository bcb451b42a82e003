import type { Deps } from '../io/redis/deps.ts';
import type { Outage } from '../io/redis/outages.ts';
import type { ReaperSettings } from '../options.ts';
import type { Calls } from './calls.ts';
import type { EventSource } from './events.ts';
import { createHealth, type Health } from './health.ts';
import { createHttp, type Http } from './http.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import type { PassReports } from './passReports.ts';
import type { Ports } from './ports.ts';
import type { Reporting } from './reporting.ts';
import type { Schedule } from './schedule.ts';
import type { Supervision } from './supervision.ts';

/** What a reaper says of itself: its health, its metrics, and the server of both. */
export interface Serving {
  readonly health: () => Health;
  readonly metrics: Metrics;
  readonly http: Http;
}

export const createServing = ({
  deps,
  settings,
  source,
  ports: { lease, delivery },
  schedule,
  passReports,
  supervision,
  calls,
  reporting,
  outage,
  isShared,
  isScheduling,
}: {
  deps: Deps;
  settings: ReaperSettings;
  source: Pick<EventSource, 'on'>;
  ports: Pick<Ports, 'lease' | 'delivery'>;
  schedule: Schedule;
  passReports: PassReports;
  supervision: Pick<Supervision, 'failed' | 'waitingPools'>;
  calls: Pick<Calls, 'isRefusing'>;
  reporting: Pick<Reporting, 'fault'>;
  outage: () => Outage | undefined;
  isShared: boolean;
  isScheduling: boolean;
}): Serving => {
  const { clock, connection, log } = deps;
  const isConnected = () => connection.epoch() > 0 && outage() === undefined;
  const health = createHealth({
    ...{ settings, schedule, lease, passReports, outage, isConnected, clock, isScheduling, isShared },
    failed: supervision.failed,
  });
  const metrics = createMetrics({
    ...{ ...deps, settings, outage, on: source.on, records: delivery.records },
    state: () => ({
      ...{ health: health(), passes: passReports.state(), shared: lease.seen(), isShared, isConnected: isConnected() },
      ...{ hooksInFlight: delivery.inFlight(), poolsWaiting: supervision.waitingPools().length },
      startedAt: schedule.startedAt(),
    }),
  });
  const sources = { health, metrics: metrics.text, isStopping: () => calls.isRefusing };
  return { health, metrics, http: createHttp(settings.http, sources, { log, fault: reporting.fault }) };
};
