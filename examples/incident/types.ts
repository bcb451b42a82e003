/** The job types that a Harbor registers, and parameters of the size and form that Harbor gives them. */
import type { Random } from './random.ts';

export const jobTypes = [
  'AUDIT_LOGS_GDPR_COMPLIANT',
  'DEMO',
  'EXECUTION_SWEEP',
  'GARBAGE_COLLECTION',
  'IMAGE_SCAN',
  'P2P_PREHEAT',
  'PURGE_AUDIT_LOG',
  'REPLICATION',
  'RETENTION',
  'SBOM',
  'SCAN_ALL',
  'SCAN_DATA_EXPORT',
  'SCHEDULER',
  'SLACK',
  'SYSTEM_ARTIFACT_CLEANUP',
  'TEAMS',
  'WEBHOOK',
] as const;
export type JobType = (typeof jobTypes)[number];

/** A secret in the parameters of scans, as Harbor has one. No output of the reaper may contain it. */
export const robotSecret = 'Basic cm9ib3Qkc2Nhbm5lcjpub3QtdG8tYmUtc2hvd24=';

const projects = ['library', 'platform', 'payments', 'data', 'mobile', 'ml'];
const images = ['nginx', 'api', 'worker', 'web', 'ingest', 'batch', 'gateway', 'model'];

/** Parameters of a job, more than 300 bytes as JSON. Nested objects are texts, as in Harbor. */
export const parametersOf = (type: JobType, random: Random): Readonly<Record<string, unknown>> => {
  switch (type) {
    case 'IMAGE_SCAN':
    case 'SBOM':
      return scanOf(type, random);
    case 'REPLICATION':
    case 'P2P_PREHEAT':
      return copyOf(random);
    case 'WEBHOOK':
    case 'SLACK':
    case 'TEAMS':
      return notificationOf(random);
    default:
      return taskOf(type, random);
  }
};

const artifactOf = (random: Random) => ({
  repository: `${random.pick(projects)}/${random.pick(images)}`,
  digest: `sha256:${random.hex(64)}`,
  tag: `1.${random.between(0, 40)}.${random.between(0, 20)}`,
});

const scanOf = (type: JobType, random: Random) => ({
  registration: JSON.stringify({
    uuid: random.hex(32),
    name: 'Trivy',
    url: 'http://harbor-trivy:8080',
    disabled: false,
  }),
  scanRequest: JSON.stringify({
    registry: { url: 'http://harbor-core:80', authorization: robotSecret },
    artifact: { namespace_id: random.between(1, 60), ...artifactOf(random) },
    capabilities: [{ type: type === 'SBOM' ? 'sbom' : 'vulnerability' }],
  }),
  mimeTypes: ['application/vnd.security.vulnerability.report; version=1.1'],
});

const copyOf = (random: Random) => {
  const { repository, digest, tag } = artifactOf(random);
  const resource = {
    type: 'image',
    metadata: { repository: { name: repository }, artifacts: [{ type: 'IMAGE', digest, tags: [tag] }] },
  };
  return {
    src_resource: JSON.stringify({ ...resource, registry: { id: 0, name: 'Local', url: 'http://harbor-core:80' } }),
    dst_resource: JSON.stringify({ ...resource, registry: { id: random.between(1, 9), name: 'mirror' } }),
    speed: 0,
    copy_by_chunk: false,
  };
};

const notificationOf = (random: Random) => {
  const { repository, digest, tag } = artifactOf(random);
  const resources = [{ digest, tag, resource_url: `harbor.example/${repository}:${tag}` }];
  return {
    address: 'https://hooks.example/harbor',
    skip_cert_verify: false,
    auth_header: '',
    payload: JSON.stringify({
      type: 'PUSH_ARTIFACT',
      operator: 'ci',
      event_data: { resources, repository: { name: repository } },
    }),
  };
};

const taskOf = (type: JobType, random: Random) => ({
  trigger: 'schedule',
  vendor_type: type,
  vendor_id: random.between(1, 900),
  dry_run: false,
  extra_attrs: JSON.stringify({
    redis_url_reg: 'redis://harbor-redis:6379/2?idle_timeout_seconds=30',
    time_window: 2,
    workers: 1,
    repository: artifactOf(random),
    callback_func_name: `${type}_CALLBACK`,
    callback_func_param: JSON.stringify({ policy: random.between(1, 900), operator: 'harbor-jobservice' }),
  }),
});
