/** Chart, manifests, compose file and unit, as far as no tool is needed. `npm run deploy:check` does the rest. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse, parseDocument } from 'yaml';
import * as z from 'zod';
import { describeOptions } from '../../src/options/describe.ts';
import { packageRoot, version } from '../../src/package.ts';

const read = (file: string) => readFileSync(`${packageRoot}${file}`, 'utf8');
const chart = 'deploy/helm/jobservice-reaper';
const manifests = readdirSync(`${packageRoot}deploy/kubernetes`);
const values = () => parse(read(`${chart}/values.yaml`));

test.each([
  `${chart}/Chart.yaml`,
  `${chart}/values.yaml`,
  'compose.yaml',
  ...manifests.map((name) => `deploy/kubernetes/${name}`),
])('%s is YAML without errors and warnings', (file) => {
  const { errors, warnings } = parseDocument(read(file), { strict: true });
  expect([...errors, ...warnings]).toEqual([]);
});

describe('the chart', () => {
  const schema = z.fromJSONSchema(JSON.parse(read(`${chart}/values.schema.json`)));

  test('has values that fit its schema', () => {
    expect(schema.safeParse(values()).error).toBeUndefined();
  });

  test.each([
    ['a password in redis.url', { redis: { url: 'redis://:hunter2@host/1' } }],
    ['a URL of Redis in the config file', { config: { namespace: 'n', redis: 'redis://host' } }],
    ['an option that does not exist', { config: { namespace: 'n', sweep: { intervall: '3m' } } }],
    ['a role that does not exist', { config: { namespace: 'n', role: 'leader' } }],
    ['no namespace', { config: { logLevel: 'info' } }],
    ['a value that does not exist', { podmonitor: {} }],
  ])('refuses %s', (_, wrong) => {
    expect(schema.safeParse(wrong).success).toBe(false);
  });

  test('has the version of the package', () => {
    expect(parse(read(`${chart}/Chart.yaml`))).toMatchObject({ name: 'jobservice-reaper', appVersion: version });
  });
});

test('the manifests hold no Secret, and a pod without rights', () => {
  const objects = manifests.map((name) => parse(read(`deploy/kubernetes/${name}`)));
  expect(objects.map(({ kind }) => kind).sort()).toEqual(
    ['ConfigMap', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service', 'ServiceAccount'].sort(),
  );
  const pod = objects.find(({ kind }) => kind === 'Deployment').spec.template.spec;
  expect(pod.securityContext.runAsNonRoot).toBe(true);
  expect(pod.containers[0].securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
});

test('the compose file waits for a healthy Redis, and takes every right away', () => {
  const { redis, reaper } = parse(read('compose.yaml')).services;
  expect(redis.healthcheck.test).toEqual(['CMD', 'redis-cli', 'ping']);
  expect(redis.command.join(' ')).toContain('noeviction');
  expect(reaper).toMatchObject({
    depends_on: { redis: { condition: 'service_healthy' } },
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
  });
  for (const port of [...redis.ports, ...reaper.ports]) expect(port).toMatch(/^127\.0\.0\.1:/);
});

test('the unit gives the URL of Redis as a credential, and restricts what V8 can do without', () => {
  const lines = read('deploy/systemd/jobservice-reaper.service').split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      ...['DynamicUser=yes', 'ProtectSystem=strict', 'NoNewPrivileges=yes', 'CapabilityBoundingSet='],
      ...['LoadCredential=redis-url:/etc/jobservice-reaper/redis-url', 'Environment=REAPER_REDIS_FILE=%d/redis-url'],
    ]),
  );
  expect(lines.filter((line) => line.startsWith('MemoryDenyWriteExecute'))).toEqual([]);
});

test('every variable that is set or named for a deployment exists', () => {
  const known = new Set(['REAPER_CONFIG', 'REAPER_LOG_LEVEL']);
  for (const { command, schema } of describeOptions()) {
    if (command === undefined) continue;
    known.add(command.environment);
    if (schema.secret) known.add(`${command.environment}_FILE`);
  }
  const files = [
    ...['compose.yaml', 'Dockerfile', 'docs/beside-harbor.md', 'deploy/systemd/jobservice-reaper.service'],
    ...[`${chart}/README.md`, `${chart}/templates/_helpers.tpl`],
    ...manifests.map((name) => `deploy/kubernetes/${name}`),
  ];
  const named = files.flatMap((file) => [...read(file).matchAll(/\bREAPER_[A-Z_]+/g)].map(([name]) => name));
  expect(named).toContain('REAPER_REDIS_FILE');
  expect([...new Set(named)].filter((name) => !known.has(name))).toEqual([]);
});
