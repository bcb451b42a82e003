import type { Health } from '../reaper/health.ts';
import type { Answer, Routes } from './server.ts';

/** The content type of Prometheus's text format. */
const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

/** What the probes and the metrics are answered from. */
export interface Sources {
  readonly health: () => Health;
  readonly metrics: () => Promise<string>;
  /** Whether the reaper is about to end. */
  readonly isStopping: () => boolean;
}

/**
 * The routes of the server.
 *
 * - `/livez`: 503 if only a restart of the process helps. An outage of Redis is not a reason.
 * - `/readyz`: 503 if the reaper does not do its work now: Redis is away, passes are suspended or late, or it stops.
 * - `/metrics`: Prometheus's text format.
 */
export const routesOf = ({ health, metrics, isStopping }: Sources): Routes => ({
  '/livez': () => {
    const { isLive, detail } = health();
    return probe(isLive, isLive ? 'alive' : detail);
  },
  '/readyz': () => {
    if (isStopping()) return probe(false, 'the reaper is stopping');
    const { isReady, detail } = health();
    return probe(isReady, detail);
  },
  '/metrics': async () => ({ status: 200, text: await metrics(), type: metricsType }),
});

const probe = (isFine: boolean, text: string): Answer => ({ status: isFine ? 200 : 503, text: `${text}\n` });
