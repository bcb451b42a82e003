/** A real Prometheus scrapes a running reaper: its metrics, the alerts, and every query of the dashboard. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { packageRoot } from '../../src/package.ts';
import { catalog, prefix } from '../../src/reaper/metrics/catalog.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { trackOpened } from '../support/reapers.ts';
import { freePort, type RedisServer, startRedis } from '../support/redisServer.ts';
import { runSurface, surfaceOptions } from '../support/surface.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly runbook: string };
}
interface AlertTest {
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts?: readonly unknown[] }[];
}
interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const read = (path: string) => readFileSync(`${packageRoot}${path}`, 'utf8');
const alerts = 'deploy/prometheus/alerts.yaml';
const alertTests = 'deploy/prometheus/alerts.test.yaml';
const rules: readonly Rule[] = parse(read(alerts)).groups.flatMap(({ rules }: { rules: Rule[] }) => rules);
const panels: readonly Panel[] = JSON.parse(read('deploy/grafana/dashboard.json')).panels;
const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const));

const promtool = (args: readonly string[], input = '') => {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { cwd: packageRoot, input, encoding: 'utf8' });
  if (error !== undefined) throw error;
  return { status, output: stdout + stderr };
};

let server: RedisServer;
let hookEndpoint: HookEndpoint;
let prometheus: ChildProcess;
let url: string;
let text: string;
let folder: string;
const opened = trackOpened();

beforeAll(async () => {
  server = await startRedis();
  hookEndpoint = await startHookEndpoint();
  const reaper = opened.create({ ...surfaceOptions, redis: server.url, http: { port: 0 } });
  await runSurface(server.client, reaper, hookEndpoint);
  reaper.start();
  const target = await reaper.httpUrl();
  await vi.waitUntil(async () => {
    text = await (await fetch(`${target}/metrics`)).text();
    return text.includes(`${prefix}leader 1`);
  });
  folder = await mkdtemp(join(tmpdir(), 'reaper-prometheus-'));
  const config = `
global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 1s }
rule_files: [${packageRoot}${alerts}]
scrape_configs:
  - job_name: reaper
    scrape_timeout: 200ms
    static_configs: [{ targets: ['${new URL(target ?? '').host}'] }]
`;
  await writeFile(`${folder}/prometheus.yml`, config);
  const address = `127.0.0.1:${await freePort()}`;
  url = `http://${address}`;
  prometheus = spawn(
    'prometheus',
    [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=${address}`],
    { stdio: 'ignore' },
  );
  await once(prometheus, 'spawn');
  await vi.waitUntil(() =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
});
afterAll(async () => {
  const ended = once(prometheus, 'exit');
  prometheus.kill('SIGKILL');
  await ended;
  await opened.close();
  await hookEndpoint.stop();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const ask = async (query: string): Promise<readonly unknown[]> => {
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query })}`);
  const { status, data, error } = (await response.json()) as {
    status: string;
    data?: { result: readonly unknown[] };
    error?: string;
  };
  if (status !== 'success' || data === undefined) throw new Error(`${query}: ${error}`);
  return data.result;
};

test('promtool finds nothing to complain about in the metrics', () => {
  expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
});

test('promtool accepts the alerts, and each passes its unit tests', () => {
  expect(promtool(['check', 'rules', alerts])).toMatchObject({ status: 0 });
  expect(promtool(['test', 'rules', alertTests])).toMatchObject({
    status: 0,
    output: expect.stringContaining('SUCCESS'),
  });
});

test('each alert has a unit test in which it fires and one in which it is quiet, and a runbook', () => {
  const tests = (parse(read(alertTests)).tests as readonly AlertTest[]).flatMap((each) => each.alert_rule_test);
  expect(rules.length).toBeGreaterThan(15);
  for (const { alert, annotations } of rules) {
    const own = tests.filter(({ alertname }) => alertname === alert).map(({ exp_alerts: fired = [] }) => fired.length);
    expect(own.sort(), alert).toEqual([0, 1]);
    expect(existsSync(`${packageRoot}${annotations.runbook}`), annotations.runbook).toBe(true);
    expect(read(annotations.runbook)).toContain(`# ${alert}\n`);
    expect(read('docs/runbooks/README.md')).toContain(`[${alert}](${annotations.runbook.split('/').at(-1)})`);
  }
});

test('alerts, dashboard and runbooks use no metric that does not exist', () => {
  const names = new Set<string>(
    Object.values(catalog)
      .flatMap(({ name }) => [name, `${name}_bucket`, `${name}_sum`])
      .map((name) => prefix + name),
  );
  const pages = rules.map(({ annotations }) => read(annotations.runbook));
  const used = [...rules.map(({ expr }) => expr), ...queries.map(([, expr]) => expr), ...pages].flatMap(
    (one) => one.match(/\bjobservice_reaper_\w+/g) ?? [],
  );
  expect(used.length).toBeGreaterThan(80);
  expect([...new Set(used)].filter((name) => !names.has(name))).toEqual([]);
});

test('the dashboard shows every metric of the reaper but the info and the liveness', () => {
  const shown = queries.map(([, expr]) => expr).join('\n');
  const missing = Object.values(catalog)
    .map(({ name }) => name)
    .filter((name) => !new RegExp(`${prefix}${name}(_bucket|_sum)?\\b`).test(shown));
  expect(missing.sort()).toEqual(['entries_removed_total', 'info', 'live', 'queue_types_unread']);
});

test.each(queries)('the panel "%s" shows series: %s', async (_, expr) => {
  const query = expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', '.*');
  expect(query).not.toContain('$');
  await vi.waitUntil(async () => (await ask(query)).length > 0);
});
