import { catalog, type MetricDefinition, prefix } from '../../src/reaper/metrics/catalog.ts';
import { maxEndpoints, maxTypes } from '../../src/reaper/metrics/labels.ts';

/** `docs/metrics.md`: every metric with its type and labels. */
export const metricsTable = (): string => `# Metrics

Generated from \`src/reaper/metrics/catalog.ts\` by \`npm run docs\`.

\`reaper run --http 127.0.0.1:9464\` and \`createReaper({ http: { port: 9464 } })\` serve these pages. They need no token, so listen on loopback or on a network
that only probes and Prometheus reach.

| path | answers 200 | answers 503 |
| --- | --- | --- |
| \`/livez\` | always, if the process answers at all | an actor has crashed for good: restart the process |
| \`/readyz\` | Redis is confirmed, nothing is suspended, and passes are on time | otherwise, with the reason; also while the reaper stops |
| \`/metrics\` | always, in Prometheus's text format | |

\`reaper.metrics()\` returns the text of \`/metrics\`, and \`reaper.health()\` has \`isLive\`, \`isReady\` and \`detail\`, for a server of your own.

- **Labels are bounded.** The first ${maxTypes} job types and the first ${maxEndpoints} endpoints keep their names; all others together are \`other\`. An endpoint is scheme, host and port. No label
  holds a job id, a parameter or a password.
- **A scrape is cheap.** It asks Redis a few questions for each of at most ${maxTypes} types, at most once in 5 s, and never scans. It waits for the answers for 2 s at most.
- **During an outage** of Redis a scrape answers with what was read last. \`${prefix}redis_up\` is 0, and \`${prefix}redis_reading_age_seconds\` grows.
- **Hosts that share a schedule** each serve their own counters: add them up. What is read from Redis is the same on each of them: take the maximum.
- **False deaths** are found by the rescue passes of any host: a pool that was removed as dead has a heartbeat again. Such a pool may end before the next pass, so the count is a lower bound.

The metrics of the process (\`process_…\`, \`nodejs_…\`, with the lag of the event loop) are those of [prom-client](https://github.com/siimon/prom-client).
Alerts are in \`deploy/prometheus/alerts.yaml\`, each with a page in [runbooks](runbooks/README.md). A dashboard is in \`deploy/grafana/dashboard.json\`.

| metric | type | labels | |
| --- | --- | --- | --- |
${Object.values<MetricDefinition>(catalog).map(rowOf).join('\n')}
`;

const rowOf = ({ name, type, labels = [], help }: MetricDefinition): string =>
  `| \`${prefix}${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
