import { countText } from '../ages.ts';

/** Stable codes of problems. */
export type ProblemCode =
  | 'suspended'
  | 'all-pools-dead'
  | 'blocked-by-lock'
  | 'no-live-pool'
  | 'dead-pool'
  | 'orphaned-entries'
  | 'namespace-elsewhere'
  | 'unreadable-keys'
  | 'type-paused'
  | 'circuit-open'
  | 'no-leader'
  | 'rescue-overdue'
  | 'sweep-overdue'
  | 'counter-drift'
  | 'at-cap'
  | 'jobs-to-repair'
  | 'hooks-parked'
  | 'quarantined-jobs';

/** Something that is wrong with a namespace. */
export interface Problem {
  readonly code: ProblemCode;
  /** `critical`: jobs do not run. `warning`: it needs attention. `notice`: worth knowing, nothing has to be done now. */
  readonly severity: 'critical' | 'warning' | 'notice';
  readonly subject: {
    readonly kind: 'redis' | 'namespace' | 'type' | 'pool' | 'endpoint';
    readonly name: string;
  };
  /** What is wrong, with the subject, on one line. */
  readonly message: string;
  /** The numbers of the message, by name; those in ms end with `Ms`. */
  readonly counts: Readonly<Record<string, number>>;
  /** The command that helps, without the options for Redis and namespace; undefined if none does, and the message says what to do. */
  readonly command: string | undefined;
}

export const problem = (
  code: ProblemCode,
  severity: Problem['severity'],
  [kind, name]: readonly [Problem['subject']['kind'], string],
  message: string,
  command: string | undefined,
  counts: Problem['counts'] = {},
): Problem => ({ code, severity, subject: { kind, name }, message, counts, command });

/** `1 job`, `34,200 jobs`. */
export const count = (number: number, one: string, many: string): string =>
  `${countText(number)} ${number === 1 ? one : many}`;
