import type { DurationText } from './duration.ts';
import { durationTextOf } from './values.ts';

/** An option of version 0.1.0 and what it is now. `unit` is the unit that its number had. */
export interface RenamedOption {
  readonly now: string;
  readonly unit?: 'ms' | 's';
}

/** Options of version 0.1.0 that have another name now, by their path. */
export const renamedOptions: Readonly<Record<string, RenamedOption>> = {
  'lease.durationMs': { now: 'lease.duration', unit: 'ms' },
  'lease.renewMs': { now: 'lease.renewInterval', unit: 'ms' },
  hungAfterS: { now: 'hungAfter', unit: 's' },
  hungAfterByTypeS: { now: 'hungAfterByType', unit: 's' },
  runLimitByTypeS: { now: 'runTimeLimitByType', unit: 's' },
  refireGraceS: { now: 'refireGrace', unit: 's' },
  clockToleranceS: { now: 'clockTolerance', unit: 's' },
  'sweep.firstAfterMs': { now: 'sweep.initialDelay', unit: 'ms' },
  'sweep.intervalMs': { now: 'sweep.interval', unit: 'ms' },
  'sweep.lanes': { now: 'sweep.concurrency' },
  'rescue.firstAfterMs': { now: 'rescue.initialDelay', unit: 'ms' },
  'rescue.intervalMs': { now: 'rescue.interval', unit: 'ms' },
  'rescue.graceMs': { now: 'rescue.grace', unit: 'ms' },
  'rescue.heartbeatAgeMs': { now: 'rescue.heartbeatTimeout', unit: 'ms' },
  'rescue.lostAfterMs': { now: 'rescue.orphanedAfter', unit: 'ms' },
  'rescue.batch': { now: 'rescue.batchSize' },
  'rescue.atOnce': { now: 'rescue.concurrency' },
  'rescue.recoveryWindowS': { now: 'rescue.recoveryWindow', unit: 's' },
  'hooks.perReceiver': { now: 'hooks.concurrencyPerEndpoint' },
  'hooks.most': { now: 'hooks.maxRecords' },
  'hooks.headerTimeoutMs': { now: 'hooks.headerTimeout', unit: 'ms' },
  'hooks.totalTimeoutMs': { now: 'hooks.timeout', unit: 'ms' },
  'hooks.deadlineMs': { now: 'hooks.deadline', unit: 'ms' },
  'hooks.tooOldS': { now: 'hooks.maxAge', unit: 's' },
  'hooks.breakAfter': { now: 'hooks.breakerThreshold' },
  'hooks.drainPerSecond': { now: 'hooks.drainRate' },
  'hooks.keepParkedS': { now: 'hooks.parkedRetention', unit: 's' },
  'hooks.allowOrigins': { now: 'hooks.allowedOrigins' },
  'hooks.moved': { now: 'hooks.rewriteOrigins' },
  'inspect.hostNames': { now: 'inspect.allowedHosts' },
};

/** Events of version 0.1.0 that have another name now. */
export const renamedEvents: Readonly<Record<string, string>> = {
  lost: 'orphan',
  finished: 'orphan',
  quarantined: 'quarantine',
  lease: 'leader',
};

/** What to write in place of a renamed option, with its value in the new unit: `use hungAfter: '24h'`. */
export const adviceFor = ({ now, unit }: RenamedOption, value: unknown): string => {
  const text = unit === undefined ? undefined : convertedText(value, unit);
  return text === undefined ? `use ${now}` : `use ${now}: ${text}`;
};

const convertedText = (value: unknown, unit: 'ms' | 's'): string | undefined => {
  const convert = (number: unknown): DurationText | undefined =>
    typeof number === 'number' && Number.isInteger(number) && number >= 0
      ? durationTextOf(unit === 's' ? 1_000 * number : number)
      : undefined;
  if (typeof value !== 'object' || value === null) {
    const text = convert(value);
    return text === undefined ? undefined : `'${text}'`;
  }
  const entries = Object.entries(value).map(([type, number]) => [type, convert(number)] as const);
  if (entries.some(([, text]) => text === undefined)) return undefined;
  return `{ ${entries.map(([type, text]) => `${JSON.stringify(type)}: '${text}'`).join(', ')} }`;
};
