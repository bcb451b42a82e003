/** The record of an undelivered hook, one a job (`lua/includes/hook_record.lua`). */
export interface HookRecord {
  /** Id of the job. */
  readonly id: string;
  readonly state: 'pending' | 'sending' | 'parked';
  /** `status:revision` of the job that the hook reports. */
  readonly about: string;
  /** Scheme, host and port of the endpoint. */
  readonly endpoint: string;
  readonly attempts: number;
  /** When the first and the last attempt were made, unix s; undefined before that. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  /** The last answer, or why the hook is parked: an HTTP status or a short code. */
  readonly answer: string | undefined;
  /** The record as stored in Redis. A change is refused if the stored record differs from it. */
  readonly text: string;
}

const recordPattern = /^(pending|asked|sending|resending|parked) (\S+) (\S+) (\d+) (\d+) (\d+) (\S+)$/;

/** Decodes a record. Returns undefined for a text that is not a valid record. */
export const recordOf = (id: string, text: string): HookRecord | undefined => {
  const match = recordPattern.exec(text);
  if (match === null) return undefined;
  const [, kind, about, endpoint, attempts, first, last, answer] = match as unknown as string[];
  return {
    id,
    state: kind === 'asked' ? 'pending' : kind === 'resending' ? 'sending' : (kind as HookRecord['state']),
    about: about as string,
    endpoint: endpoint as string,
    attempts: Number(attempts),
    first: Number(first) || undefined,
    last: Number(last) || undefined,
    answer: answer === '-' ? undefined : answer,
    text,
  };
};

/** How long a hook waits for its first attempt at most, in ms: `requeueAfter` in `lua/includes/hook_record.lua`. */
export const requeueAfter = 60_000;

/**
 * Whether a hook that is due in more than `requeueAfter` has a time of before the clock of Redis went back. The rule is that of
 * `isMisdated` in `lua/includes/hook_record.lua`.
 */
export const isMisdated = ({ attempts, last = 0 }: Pick<HookRecord, 'attempts' | 'last'>, now: number): boolean =>
  attempts === 0 || last * 1_000 > now + 1_000;
