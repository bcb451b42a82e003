/** The chart, linted and rendered by helm. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { chart, manifests, render } from '../../../scripts/deploy/manifests.ts';
import { packageRoot } from '../../../src/package.ts';

const helm = process.env.REAPER_TEST_HELM ?? 'helm';
const sets = (...values: string[]) => values.flatMap((value) => ['--set', value]);
/** The objects of a rendered chart, by kind. */
const objects = (...values: string[]) =>
  Object.fromEntries(
    parseAllDocuments(render(helm, 'r', ...sets(...values))).map((document) => {
      expect(document.errors).toEqual([]);
      const object = document.toJS();
      return [object.kind, object];
    }),
  );
const podOf = ({ Deployment }: ReturnType<typeof objects>) => Deployment.spec.template.spec;
const variablesOf = (rendered: ReturnType<typeof objects>): Record<string, string> =>
  Object.fromEntries(podOf(rendered).containers[0].env.map(({ name, value }: Record<string, string>) => [name, value]));

test('helm lint --strict finds nothing', () => {
  const { status, stdout } = spawnSync(helm, ['lint', '--strict', '--kube-version', '1.30.0', chart], {
    encoding: 'utf8',
  });
  expect(status, stdout).toBe(0);
});

test('the defaults make a Deployment that runs without rights, with probes, beside the release harbor', () => {
  const rendered = objects();
  expect(Object.keys(rendered).sort()).toEqual(
    ['ConfigMap', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service', 'ServiceAccount'].sort(),
  );
  const pod = podOf(rendered);
  expect(pod).toMatchObject({
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  });
  expect(pod.containers).toHaveLength(1);
  expect(pod.containers[0]).toMatchObject({
    args: ['run', '--http', '0.0.0.0:9464'],
    ports: [{ name: 'http', containerPort: 9464 }],
    startupProbe: { httpGet: { path: '/livez', port: 'http' } },
    livenessProbe: { httpGet: { path: '/livez', port: 'http' } },
    readinessProbe: { httpGet: { path: '/readyz', port: 'http' } },
    resources: { limits: { memory: '512Mi' } },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
  });
  expect(variablesOf(rendered)).toEqual({
    REAPER_CONFIG: '/etc/jobservice-reaper/config/config.yaml',
    REAPER_REDIS: 'redis://harbor-redis:6379/1',
  });
  expect(rendered.ServiceAccount.automountServiceAccountToken).toBe(false);
  const { selector } = rendered.Service.spec;
  expect(rendered.Deployment.spec.template.metadata.labels).toMatchObject(selector);
  expect(rendered.NetworkPolicy.spec.podSelector.matchLabels).toEqual(selector);
  expect(rendered.PodDisruptionBudget.spec.selector.matchLabels).toEqual(selector);
});

test('the config file holds the values, and a change of it starts new pods', () => {
  const rendered = objects('config.sweep.interval=30m');
  const [config] = parseAllDocuments(rendered.ConfigMap.data['config.yaml']);
  expect(config?.toJS()).toEqual({
    namespace: '{harbor_job_service_namespace}',
    logLevel: 'info',
    sweep: { interval: '30m' },
  });
  const checksum = (one: typeof rendered) => one.Deployment.spec.template.metadata.annotations['checksum/config'];
  expect(checksum(rendered)).not.toBe(checksum(objects()));
});

test('what is secret comes from Secrets, as files that the container finds where its variables say', () => {
  const rendered = objects(
    ...[
      'redis.existingSecret.name=redis',
      'redis.caSecret.name=redis-ca',
      'redis.sentinel.existingSecret.name=sentinel',
    ],
    ...['redis.sentinel.username=eve', 'hooks.tls.existingSecret=harbor-jobservice-internal-tls'],
    ...['hooks.tls.certKey=tls.crt', 'hooks.tls.keyKey=tls.key'],
  );
  const variables = variablesOf(rendered);
  expect(variables.REAPER_REDIS).toBeUndefined();
  expect(variables.REAPER_SENTINEL_USERNAME).toBe('eve');
  const pod = podOf(rendered);
  const mounted = pod.containers[0].volumeMounts.flatMap(({ name, mountPath }: Record<string, string>) => {
    const { secret } = pod.volumes.find((volume: { name: string }) => volume.name === name);
    return (secret?.items ?? []).map(({ key, path }: Record<string, string>) => [
      `${mountPath}/${path}`,
      `${secret.secretName}/${key}`,
    ]);
  });
  expect(Object.fromEntries(mounted)).toEqual({
    [variables.REAPER_REDIS_FILE ?? '']: 'redis/url',
    [variables.NODE_EXTRA_CA_CERTS ?? '']: 'redis-ca/ca.crt',
    [variables.REAPER_SENTINEL_PASSWORD_FILE ?? '']: 'sentinel/password',
    [variables.REAPER_HOOKS_TLS_CA_FILE ?? '']: 'harbor-jobservice-internal-tls/ca.crt',
    [variables.REAPER_HOOKS_TLS_CERT_FILE ?? '']: 'harbor-jobservice-internal-tls/tls.crt',
    [variables.REAPER_HOOKS_TLS_KEY_FILE ?? '']: 'harbor-jobservice-internal-tls/tls.key',
  });
  expect(rendered.Secret).toBeUndefined();
});

test('a PodMonitor reads /metrics of the port that the container has', () => {
  const { PodMonitor } = objects('podMonitor.enabled=true', 'podMonitor.labels.release=prometheus');
  expect(PodMonitor.metadata.labels.release).toBe('prometheus');
  expect(PodMonitor.spec.podMetricsEndpoints).toEqual([{ port: 'http', path: '/metrics', interval: '30s' }]);
});

test('the NetworkPolicy can be narrowed to the pods of Harbor, and a single replica has no PodDisruptionBudget', () => {
  const rendered = objects(
    ...['replicas=1', 'networkPolicy.redis.to[0].podSelector.matchLabels.component=redis'],
    'networkPolicy.hooks.to[0].podSelector.matchLabels.component=core',
  );
  expect(rendered.PodDisruptionBudget).toBeUndefined();
  const [, redis, hooks] = rendered.NetworkPolicy.spec.egress;
  expect(redis.to).toEqual([{ podSelector: { matchLabels: { component: 'redis' } } }]);
  expect(hooks.to).toEqual([{ podSelector: { matchLabels: { component: 'core' } } }]);
});

describe('values that do not fit are refused', () => {
  test.each([
    ['redis.url=redis://:hunter2@host:6379/1', '/redis/url'],
    ['config.redis=redis://host', '/config'],
    ['config.sweep.intervall=3m', '/config/sweep'],
    ['config.hungAfter=soon', '/config/hungAfter'],
    ['replicas=many', '/replicas'],
    ['http.port=80', '/http/port'],
    ['podmonitor.enabled=true', "at ''"],
  ])('%s', (value, where) => {
    expect(() => render(helm, 'r', ...sets(value))).toThrow(where);
  });
});

test('deploy/kubernetes is current: npm run deploy:check -- --write', () => {
  const made = manifests(helm);
  expect(readdirSync(`${packageRoot}deploy/kubernetes`).map((name) => `deploy/kubernetes/${name}`)).toEqual(
    Object.keys(made).sort(),
  );
  for (const [file, text] of Object.entries(made)) expect(readFileSync(`${packageRoot}${file}`, 'utf8')).toBe(text);
});
