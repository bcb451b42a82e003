/**
 * What an error of Redis, or of the connection to it, means for the sender of the command. `transient`: it passes by itself,
 * so the same command may be sent again. `refused`: writes are refused until an operator acts. `wrong-type`: one key is not
 * what it should be; every other key works. `permanent`: the same command will never be taken.
 */
export type RedisErrorKind = 'transient' | 'refused' | 'wrong-type' | 'permanent' | 'unknown';

/** Why a connection can't be used although it could be asked for. */
export type UnusableCode =
  | 'unreachable'
  | 'busy'
  | 'auth'
  | 'database'
  | 'role'
  | 'version'
  | 'cluster'
  | 'protocol'
  | 'sentinel'
  | 'client';

/** The connection is not the one that was asked for, so no command was sent on it. The message says what to do. */
export class UnusableRedisError extends Error {
  override name = 'UnusableRedisError';
  readonly code: UnusableCode;
  /** `transient` where the next attempt to connect may find it otherwise. */
  readonly kind: 'transient' | 'permanent';

  constructor(code: UnusableCode, kind: 'transient' | 'permanent', message: string) {
    super(message);
    this.code = code;
    this.kind = kind;
  }
}

const kinds: readonly (readonly [RedisErrorKind, RegExp])[] = [
  ['wrong-type', /^WRONGTYPE|value is not an integer|hash value is not|not a valid float/],
  ['refused', /^(READONLY|OOM|MISCONF|NOREPLICAS)/],
  [
    'permanent',
    /^(NOPERM|NOAUTH|WRONGPASS|CROSSSLOT|MOVED|ASK|NOPROTO)\b|unknown (?:redis )?command|user executing the script|ACL failure in script|unknown subcommand|DB index is out of range|do not hash to the same slot|not allowed in cluster mode|in subscriber mode|in monitoring mode/i,
  ],
  [
    'transient',
    /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|UNBLOCKED)\b|connection|ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|timed out|socket timeout|max retries|isn't writeable|max number of clients/i,
  ],
];

/** Redis 6.2 puts the script's digest and line before the error of a command that a script ran. */
const ofScript = /^ERR Error running script .*?@user_script: ?\d+: -?/;

const textOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(ofScript, '');

export const kindOfRedisError = (error: unknown): RedisErrorKind => {
  if (error instanceof UnusableRedisError) return error.kind;
  const message = textOf(error);
  return kinds.find(([, pattern]) => pattern.test(message))?.[0] ?? 'unknown';
};

export const isWrongType = (error: unknown): boolean => kindOfRedisError(error) === 'wrong-type';

/** Whether waiting can't help: the same step fails in the same way until an operator acts. */
export const isHopeless = (error: unknown): boolean => {
  const kind = kindOfRedisError(error);
  return kind === 'permanent' || kind === 'wrong-type';
};

/** A master that became a replica refuses writes until the connection has moved to the new one, so that passes too. */
export const mayRetry = (error: unknown): boolean =>
  kindOfRedisError(error) === 'transient' || textOf(error).startsWith('READONLY');

const advices: readonly (readonly [RegExp, string])[] = [
  [
    /^NOPERM|ACL failure in script/,
    'allow the Redis user of the reaper this command and the keys of the namespace (ACL SETUSER)',
  ],
  [/^NOAUTH/, 'give the reaper the user and password of this Redis'],
  [/^WRONGPASS/, 'give the reaper the right user and password'],
  [
    /^(CROSSSLOT|MOVED|ASK)\b|same slot|cluster mode/,
    'Redis Cluster is not supported: use a Redis without cluster mode, or one behind Sentinel',
  ],
  [
    /^WRONGTYPE|is not an integer|hash value is not|not a valid float/,
    'a key of the namespace has the wrong type: find it with TYPE, then move or delete it',
  ],
  [/unknown (sub)?command/i, 'Redis 6.2 or newer is needed, without renamed commands'],
  [/DB index is out of range/, 'give a database that this Redis has'],
];

/** What an operator can do about an error that does not pass; undefined where the error says it itself. */
export const adviceFor = (error: unknown): string | undefined =>
  error instanceof UnusableRedisError ? undefined : advices.find(([pattern]) => pattern.test(textOf(error)))?.[1];

/** The message of an error with what to do about it. */
export const explained = (error: unknown): string => {
  const message = withoutUser(error instanceof Error ? error.message : String(error));
  const advice = adviceFor(error);
  return advice === undefined || message.includes(advice) ? message : `${message}: ${advice}`;
};

/** What Redis said, without what `explained` has added. */
export const withoutAdvice = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error);
  const advice = adviceFor(error);
  return advice === undefined ? message : message.replace(`: ${advice}`, '');
};

/** From 7.2 on Redis names the user in NOPERM. The user is part of what must not be shown. */
export const withoutUser = (message: string): string =>
  message.replace(/\b[Uu]ser \S+ has no permissions/, 'this user has no permissions');
