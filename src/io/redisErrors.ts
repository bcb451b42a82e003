/**
 * What an error of Redis, or of the connection to it, means for whoever sent the command. `transient`: it passes by itself,
 * so the same command may be sent again. `refused`: writes are refused until somebody does something about it. `wrong-type`:
 * one key is not what it should be; every other key works. `permanent`: the same command will never be taken.
 */
export type RedisErrorKind = 'transient' | 'refused' | 'wrong-type' | 'permanent' | 'unknown';

const kinds: readonly (readonly [RedisErrorKind, RegExp])[] = [
  ['wrong-type', /^WRONGTYPE|value is not an integer|hash value is not|not a valid float/],
  ['refused', /^(READONLY|OOM|MISCONF|NOREPLICAS)/],
  [
    'permanent',
    /^(NOPERM|NOAUTH|WRONGPASS|CROSSSLOT|MOVED|ASK)|unknown command|unknown subcommand|user executing the script can't|DB index is out of range/i,
  ],
  [
    'transient',
    /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|UNBLOCKED)|connection|ECONN|EPIPE|timed out|max retries/i,
  ],
];

export const kindOfRedisError = (error: unknown): RedisErrorKind => {
  const message = error instanceof Error ? error.message : String(error);
  return kinds.find(([, pattern]) => pattern.test(message))?.[0] ?? 'unknown';
};

/** Redis puts the script's digest and line before or after the message of a command that a script ran. */
export const isWrongType = (error: unknown): boolean => kindOfRedisError(error) === 'wrong-type';
