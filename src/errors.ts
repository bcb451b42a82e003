/**
 * Codes of the errors that this package throws, and that its `error` events carry. `docs/errors.md` says for each what
 * happened and what to do.
 */
export const errorCodes = [
  /** Options or arguments cannot be used. */
  'invalid-options',
  /** The reaper is stopped, or was stopped before the call had ended. */
  'stopped',
  /** A sweep or rescue did not complete. */
  'pass-incomplete',
  /** The caller's signal was aborted, which ended its sweep or rescue. */
  'aborted',
  /** Something that was named is not there: a pool. */
  'not-found',
  /** A pool is not as it was when its rescue was planned. */
  'plan-moved',
  /** Passes are suspended, because Redis refuses writes or cannot be trusted now. */
  'suspended',
  /** The reaper cannot work here: `reaper doctor` says what is missing. */
  'blocked',
  /** This host lacks something that it needs to send hooks, such as sockets. */
  'host',
  /** The inspector or the HTTP server cannot listen on its address. */
  'cannot-listen',
  /** The lease was lost: another host may be the leader now. */
  'lease-lost',
  /** A step failed. The reaper tries it again. */
  'step-failed',
  /** An actor or the inspector failed. */
  'internal',
  // Errors of Redis, or of the connection to it, as `src/io/redis/errors.ts` classifies them.
  'redis-unreachable',
  'redis-busy',
  'redis-read-only',
  'redis-out-of-memory',
  'redis-cannot-save',
  'redis-no-replicas',
  'redis-wrong-type',
  'redis-no-permission',
  'redis-wrong-password',
  'redis-wrong-database',
  'redis-cluster',
  'redis-sentinel',
  'redis-too-old',
  'redis-unknown-command',
  'redis-protocol',
  'redis-unusable-client',
  'redis-error',
] as const;
export type ErrorCode = (typeof errorCodes)[number];
export type RedisErrorCode = Extract<ErrorCode, `redis-${string}`>;

/** Base class of all errors of this package. `cause` is the error behind it, if there is one. */
export class ReaperError extends Error {
  override name = 'ReaperError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** Code and message, and what a subclass adds; never the cause. */
  toJSON(): object {
    const { name: _, cause: __, ...own } = this;
    return { ...own, message: this.message };
  }
}

/** The code of an error of this package, or another one for every other error. */
export const codeOr = (error: unknown, otherwise: ErrorCode): ErrorCode =>
  error instanceof ReaperError ? error.code : otherwise;

/** What is wrong with one option or argument. */
export interface OptionIssue {
  /** Path of the option, such as `sweep.interval`; empty for the whole value. */
  readonly path: string;
  readonly message: string;
}

/** Options or arguments that cannot be used. The message names each one, and says what it should be. */
export class OptionsError extends ReaperError {
  override name = 'OptionsError';
  readonly issues: readonly OptionIssue[];

  /** @param what the function that got them, such as `createReaper`. */
  constructor(what: string, issues: readonly OptionIssue[]) {
    super(
      'invalid-options',
      `${what}: ${issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')}`,
    );
    this.issues = issues;
  }
}

/** The reaper was stopped before the call was made, or before it had ended. */
export class StoppedError extends ReaperError {
  override name = 'StoppedError';

  constructor(message: string) {
    super('stopped', message);
  }
}

/**
 * A sweep or rescue did not complete: it failed (`pass-incomplete`), or the caller's signal ended it (`aborted`). `summary`
 * says how far it got. `cause` is the error that ended it, if there is one, or the reason of the signal.
 */
export class PassError<Summary extends { readonly error?: string }> extends ReaperError {
  override name = 'PassError';
  readonly summary: Summary;

  /** @param end the signal that ended the pass, or the error that did. */
  constructor(
    pass: 'sweep' | 'rescue',
    summary: Summary,
    end: { readonly aborted: AbortSignal } | { readonly cause: unknown },
  ) {
    const isAborted = 'aborted' in end;
    const what = isAborted ? 'was aborted by its caller' : `did not complete: ${summary.error}`;
    const cause = isAborted ? end.aborted.reason : end.cause;
    super(
      isAborted ? 'aborted' : 'pass-incomplete',
      `The ${pass} ${what}. The next one picks up the rest.`,
      cause === undefined ? {} : { cause },
    );
    this.summary = summary;
  }
}

/** Something failed in the background and stopped nothing. Carried by `error` events. */
export class BackgroundError extends ReaperError {
  override name = 'BackgroundError';
  /** What failed, such as `rescue: requeue orphaned entries`. */
  readonly where: string;

  constructor(code: ErrorCode, where: string, message: string, options?: { readonly cause?: unknown }) {
    super(code, message, options);
    this.where = where;
  }
}
