/** Wrong usage: exit code 2. Its message says what to do. */
export class UsageError extends Error {}

/** Flags of version 0.1.0 that have another name now. */
export const renamedFlags: Readonly<Record<string, string>> = {
  '--types': '--job-types',
  '--hook-ca': '--hooks-tls-ca-file',
  '--hook-cert': '--hooks-tls-cert-file',
  '--hook-key': '--hooks-tls-key-file',
  '--moved': '--hooks-rewrite-origins',
  '--allow-origins': '--hooks-allowed-origins',
  '--drain-per-second': '--hooks-drain-rate',
  '--control': '--inspect-control',
  '--stately': '--inspect-stately',
  '--host-name': '--inspect-allowed-hosts',
};

/** Environment variables of version 0.1.0 that have another name now. */
export const renamedVariables: Readonly<Record<string, string>> = {
  REAPER_REDIS_URL: 'REAPER_REDIS',
  REAPER_TYPES: 'REAPER_JOB_TYPES',
  REAPER_HOOK_CA: 'REAPER_HOOKS_TLS_CA_FILE',
  REAPER_HOOK_CERT: 'REAPER_HOOKS_TLS_CERT_FILE',
  REAPER_HOOK_KEY: 'REAPER_HOOKS_TLS_KEY_FILE',
  REAPER_MOVED: 'REAPER_HOOKS_REWRITE_ORIGINS',
  REAPER_ALLOW_ORIGINS: 'REAPER_HOOKS_ALLOWED_ORIGINS',
  REAPER_DRAIN_PER_SECOND: 'REAPER_HOOKS_DRAIN_RATE',
};

/** @throws UsageError for a flag or environment variable of version 0.1.0, with its name now. */
export const refuseRenamed = (args: readonly string[], environment: NodeJS.ProcessEnv): void => {
  for (const arg of args) {
    const [flag = ''] = arg.split('=');
    if (Object.hasOwn(renamedFlags, flag)) throw new UsageError(`${flag}: use ${renamedFlags[flag]}`);
  }
  for (const [name, now] of Object.entries(renamedVariables)) {
    if (environment[name]) throw new UsageError(`${name}: use ${now}`);
  }
};
