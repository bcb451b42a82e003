import { collectDefaultMetrics, Registry } from 'prom-client';

let registry: Registry | undefined;

/** Gauges of prom-client with the names of counters, which Prometheus's linter refuses. Each has a series by type too. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/**
 * The metrics of this process: memory, CPU, file descriptors, garbage collection, lag of the event loop. They belong to the
 * process, so all reapers in it share them, and they are measured from the first call on: prom-client cannot stop that again.
 */
export const processMetrics = (): Promise<string> => {
  if (registry === undefined) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
    for (const name of misnamed) registry.removeSingleMetric(name);
  }
  return registry.metrics();
};
