import type { ReaperOptions } from './generated.ts';

/** Options that can change while a reaper runs. All others need another reaper. */
const reloadable = {
  sweep: ['initialDelay', 'interval', 'jitter'],
  rescue: ['initialDelay', 'interval'],
  hooks: [
    ...(['concurrency', 'drainRate', 'breakerThreshold', 'deadline', 'maxAge', 'maxRecords'] as const),
    'parkedRetention',
  ],
} as const;
export type Reloadable = typeof reloadable;

/** Options that `reload` takes. */
export interface ReloadableOptions {
  /** When scheduled sweeps come. */
  readonly sweep?: Pick<NonNullable<ReaperOptions['sweep']>, Reloadable['sweep'][number]>;
  /** When scheduled rescue passes come. */
  readonly rescue?: Pick<NonNullable<ReaperOptions['rescue']>, Reloadable['rescue'][number]>;
  /** How hooks are sent and kept. */
  readonly hooks?: Pick<NonNullable<ReaperOptions['hooks']>, Reloadable['hooks'][number]>;
}

/** Their paths, such as `sweep.interval`. */
export const reloadablePaths: readonly string[] = Object.entries(reloadable).flatMap(([group, names]) =>
  names.map((name) => `${group}.${name}`),
);
