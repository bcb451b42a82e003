import { optionsJsonSchema } from './jsonSchema.ts';

// `deploy/helm/jobservice-reaper/values.schema.json`: helm refuses values that do not fit it. What is in `config` is checked
// by the schema of the config file, without the options that the chart sets itself or takes from Secrets.

const setByChart = ['redis', 'sentinelUsername', 'sentinelPassword', 'http', 'inspect'];

export const valuesSchema = (): string => `${JSON.stringify({ ...values(), $schema: draft }, null, 2)}\n`;

const draft = 'https://json-schema.org/draft/2020-12/schema';

type Schema = Readonly<Record<string, unknown>>;

const map = (properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...more,
});
const text: Schema = { type: 'string' };
const someText: Schema = { type: 'string', minLength: 1 };
const flag: Schema = { type: 'boolean' };
const port: Schema = { type: 'integer', minimum: 1, maximum: 65535 };
const texts: Schema = { type: 'object', additionalProperties: { type: 'string' } };
/** What Kubernetes itself checks. */
const anyMap: Schema = { type: 'object' };
const anyMaps: Schema = { type: 'array', items: { type: 'object' } };
/** A Secret, by its name, and the key in it. */
const secret: Schema = map({ name: text, key: someText });

const values = (): Schema =>
  map({
    global: anyMap,
    image: map({
      repository: someText,
      tag: text,
      digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
      pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
    }),
    imagePullSecrets: anyMaps,
    nameOverride: text,
    fullnameOverride: text,
    replicas: { type: 'integer', minimum: 0 },
    redis: map({
      url: {
        description: 'Without user info: a URL with a password belongs into a Secret (redis.existingSecret).',
        type: 'string',
        pattern: '^(rediss?|rediss?\\+sentinel)://[^@?]+$',
      },
      existingSecret: secret,
      caSecret: secret,
      sentinel: map({ username: text, existingSecret: secret }),
    }),
    config: config(),
    hooks: map({ tls: map({ existingSecret: text, caKey: text, certKey: text, keyKey: text }) }),
    // Below 1024, a user that is not root may not listen.
    http: map({ port: { ...port, minimum: 1024 } }),
    service: map({ enabled: flag, port, annotations: texts }),
    podMonitor: map({ enabled: flag, interval: { type: 'string', pattern: '^[0-9]+(ms|s|m|h)$' }, labels: texts }),
    networkPolicy: map({
      enabled: flag,
      metricsFrom: anyMaps,
      redis: peers,
      hooks: peers,
      extraEgress: anyMaps,
    }),
    podDisruptionBudget: map({ enabled: flag, maxUnavailable: { type: ['integer', 'string'] } }),
    serviceAccount: map({ create: flag, name: text, annotations: texts }),
    resources: anyMap,
    terminationGracePeriodSeconds: { type: 'integer', minimum: 0 },
    extraEnv: anyMaps,
    podAnnotations: texts,
    podLabels: texts,
    priorityClassName: text,
    nodeSelector: texts,
    tolerations: anyMaps,
    affinity: anyMap,
    topologySpreadConstraints: anyMaps,
  });

const peers: Schema = map({ ports: { type: 'array', minItems: 1, items: port }, to: anyMaps });

/** The schema of the config file, less what the chart sets. */
const config = (): Schema => {
  const { properties } = JSON.parse(optionsJsonSchema()) as { properties: Record<string, Schema> };
  const kept = Object.fromEntries(Object.entries(properties).filter(([name]) => !setByChart.includes(name)));
  const { tls: _, ...hooks } = (kept.hooks?.properties ?? {}) as Record<string, Schema>;
  return map({ ...kept, hooks: { ...kept.hooks, properties: hooks } }, { required: ['namespace'] });
};
