import { ReaperError, type RedisErrorCode } from '../../errors.ts';
import type { SuspensionReason } from '../../machines/refusal.ts';

/**
 * What an error of Redis, or of the connection to it, means for the sender of the command.
 *
 * - `transient`: it passes by itself, so the same command may be sent again.
 * - `refused`: Redis refuses writes until an operator acts.
 * - `wrong-type`: one key does not hold what it should; every other key works.
 * - `permanent`: the same command fails again until an operator acts.
 * - `unknown`: none of these.
 */
export type RedisErrorKind = 'transient' | 'refused' | 'wrong-type' | 'permanent' | 'unknown';

/** An error of Redis, classified. */
export interface RedisFault {
  readonly kind: RedisErrorKind;
  readonly code: RedisErrorCode;
  /** What an operator can do; undefined where waiting is enough, or where nothing is known. */
  readonly advice: string | undefined;
  /** What happened, what Redis said, and what to do, without the name of the Redis user. */
  readonly message: string;
}

/**
 * Classifies an error of Redis, or of the connection to it.
 *
 * @example
 * classify(new Error("OOM command not allowed when used memory > 'maxmemory'."))
 * // { kind: 'refused', code: 'redis-out-of-memory', advice: 'raise its maxmemory, or free some',
 * //   message: 'Redis has no memory left (OOM): raise its maxmemory, or free some' }
 */
export const classify = (error: unknown): RedisFault => {
  if (error instanceof RedisError) {
    const { kind, code, advice, message } = error;
    return { kind, code, advice, message };
  }
  const text = textOf(error);
  const rule = rules.find(({ pattern }) => pattern.test(text));
  if (rule === undefined) return { kind: 'unknown', code: 'redis-error', advice: undefined, message: text };
  const { kind, code, what, advice } = rule;
  if (what === undefined) return { kind, code, advice, message: text };
  return { kind, code, advice, message: `${what} (${saidOf(rule, text)}): ${advice}` };
};

/** A command of Redis failed, or a connection cannot be used. The message says what to do. */
export class RedisError extends ReaperError {
  override name = 'RedisError';
  declare readonly code: RedisErrorCode;
  readonly kind: RedisErrorKind;
  readonly advice: string | undefined;

  constructor({ kind, code, advice, message }: RedisFault, options?: { readonly cause?: unknown }) {
    super(code, message, options);
    this.kind = kind;
    this.advice = advice;
  }
}

/** The connection is not the one that was asked for, so no command was sent on it. The message says what to do. */
export class UnusableRedisError extends RedisError {
  override name = 'UnusableRedisError';

  /** @param kind `transient` where the next attempt to connect may find it otherwise. */
  constructor(code: RedisErrorCode, kind: 'transient' | 'permanent', message: string) {
    super({ kind, code, advice: undefined, message });
  }
}

/** The code of the error that keeps the connection down. An error that says nothing of Redis is one of reaching it. */
export const codeOfOutage = (error: unknown): RedisErrorCode => {
  const { kind, code } = classify(error);
  return kind === 'unknown' ? 'redis-unreachable' : code;
};

/** An error as callers get it: one of Redis with its code and what to do, every other one as it is. */
export const forCaller = (error: unknown): unknown => {
  if (!(error instanceof Error) || error instanceof ReaperError) return error;
  const fault = classify(error);
  const isOfRedis = fault.kind !== 'unknown' || error.name === 'ReplyError';
  return isOfRedis ? new RedisError(fault, { cause: redact(error) }) : error;
};

export const kindOfRedisError = (error: unknown): RedisErrorKind => classify(error).kind;

export const isWrongType = (error: unknown): boolean => kindOfRedisError(error) === 'wrong-type';

/** Whether the user may not run a command, or not on that key. */
export const isNoPermission = (error: unknown): boolean => classify(error).code === 'redis-no-permission';

/** Whether waiting cannot help: the same step fails in the same way until an operator acts. */
export const isHopeless = (error: unknown): boolean => ['permanent', 'wrong-type'].includes(kindOfRedisError(error));

/** A master that became a replica refuses writes until the connection has moved to the new one, so that passes too. */
export const mayRetry = (error: unknown): boolean => {
  const { kind, code } = classify(error);
  return kind === 'transient' || code === 'redis-read-only';
};

/**
 * Why Redis refuses whatever the reaper writes, and what to do: passes are suspended until then. Undefined for every other
 * error, such as one of a single key.
 */
export const refusalOf = (error: unknown): SuspensionReason | undefined => {
  const { kind, code, message } = classify(error);
  const isRefusal = kind === 'refused' || code === 'redis-no-permission' || code === 'redis-unknown-command';
  return isRefusal ? { code, message } : undefined;
};

/** From 7.2 on Redis names the user in NOPERM. The name of the user must not be shown. */
export const withoutUser = (message: string): string =>
  message.replace(/\b[Uu]ser \S+ has no permissions/, 'this user has no permissions');

/**
 * Removes from an error of ioredis, and from those behind it, what no log may show: the name of the Redis user, and the command, whose arguments may be a
 * password or the parameters of a job.
 */
export const redact = (error: Error): Error => {
  error.message = withoutUser(error.message);
  if (error.stack !== undefined) error.stack = withoutUser(error.stack);
  delete (error as { command?: unknown }).command;
  if (error.cause instanceof Error) redact(error.cause);
  return error;
};

interface Rule {
  readonly code: RedisErrorCode;
  readonly kind: RedisErrorKind;
  readonly pattern: RegExp;
  /** What happened; left out where the text of Redis is all that there is to say. */
  readonly what?: string;
  readonly advice?: string;
}

/** The first rule whose pattern fits decides. */
const rules: readonly Rule[] = [
  {
    code: 'redis-wrong-type',
    kind: 'wrong-type',
    pattern: /^WRONGTYPE|value is not an integer|hash value is not|not a valid float/,
    what: 'a key of the namespace has the wrong type',
    advice: 'find it with TYPE, then rename or delete it',
  },
  {
    code: 'redis-read-only',
    kind: 'refused',
    pattern: /^READONLY/,
    what: 'Redis is a read-only replica',
    advice: 'wait for the failover to end, or give the reaper the address of the master',
  },
  {
    code: 'redis-out-of-memory',
    kind: 'refused',
    pattern: /^OOM/,
    what: 'Redis has no memory left',
    advice: 'raise its maxmemory, or free some',
  },
  {
    code: 'redis-cannot-save',
    kind: 'refused',
    pattern: /^MISCONF/,
    what: 'Redis refuses writes because it cannot save to disk',
    advice: 'see its log, and free space on its disk',
  },
  {
    code: 'redis-no-replicas',
    kind: 'refused',
    pattern: /^NOREPLICAS/,
    what: 'Redis refuses writes because it has too few replicas',
    advice: 'connect its replicas, or lower its min-replicas-to-write',
  },
  {
    code: 'redis-no-permission',
    kind: 'permanent',
    pattern: /^NOPERM\b|user executing the script|ACL failure in script/i,
    what: 'the Redis user of the reaper lacks a right',
    advice: 'allow it the commands and keys that `reaper doctor` asks for (ACL SETUSER)',
  },
  {
    code: 'redis-wrong-password',
    kind: 'permanent',
    pattern: /^(NOAUTH|WRONGPASS)\b/,
    what: 'Redis does not accept the user and password',
    advice: 'give the reaper the user and password of this Redis',
  },
  {
    code: 'redis-cluster',
    kind: 'permanent',
    pattern: /^(CROSSSLOT|MOVED|ASK)\b|do not hash to the same slot|not allowed in cluster mode/i,
    what: 'Redis Cluster is not supported',
    advice: 'use a Redis without cluster mode, or one behind Sentinel',
  },
  {
    code: 'redis-unknown-command',
    kind: 'permanent',
    pattern: /^(ERR )?unknown (redis )?(sub)?command/i,
    what: 'Redis does not know a command of the reaper',
    advice: 'use Redis 6.2 or newer, without renamed commands',
  },
  {
    code: 'redis-wrong-database',
    kind: 'permanent',
    pattern: /DB index is out of range/i,
    what: 'Redis does not have this database',
    advice: 'give a database that this Redis has',
  },
  {
    code: 'redis-unusable-client',
    kind: 'permanent',
    pattern: /^NOPROTO\b|in subscriber mode|in monitoring mode/i,
    what: 'the client cannot be used for commands',
    advice: 'give the reaper a client that neither subscribes nor monitors',
  },
  {
    code: 'redis-busy',
    kind: 'transient',
    pattern: /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|UNBLOCKED)\b|max number of clients/i,
  },
  {
    code: 'redis-unreachable',
    kind: 'transient',
    pattern:
      /connection|ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|timed out|socket timeout|max retries|isn't writeable/i,
  },
];

/** What Redis said, as it stands in the message of a rule. */
const saidOf = ({ kind, code }: Rule, text: string): string => {
  if (kind === 'refused') return /^\w+/.exec(text)?.[0] ?? text;
  if (code !== 'redis-no-permission') return text;
  return `NOPERM: ${text.replace(/^(NOPERM|ERR ACL failure in script:|ERR)\s+/, '').replace(/\s*script: .*$/, '')}`;
};

/** Redis 6.2 puts the script's digest and line before the error of a command that a script ran. */
const ofScript = /^ERR Error running script.*?@user_script: ?\d+:(?: @user_script: ?\d+:)? -?/;

const textOf = (error: unknown): string =>
  withoutUser(error instanceof Error ? error.message : String(error)).replace(ofScript, '');
