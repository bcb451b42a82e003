import type { Question } from './questions.ts';

/** Arguments after the key with which a command on a missing key changes nothing. */
const afterKey: Readonly<Record<string, readonly string[]>> = {
  DEL: [],
  EXISTS: [],
  EXPIRE: ['x'],
  GET: [],
  HDEL: ['f'],
  HEXISTS: ['f'],
  HGET: ['f'],
  HGETALL: [],
  HINCRBY: ['f', 'x'],
  HKEYS: [],
  HLEN: [],
  HMGET: ['f'],
  HRANDFIELD: ['1'],
  HSCAN: ['0'],
  HSET: ['f', 'v', 'x'],
  HSETNX: ['f', 'v'],
  HVALS: [],
  LINDEX: ['0'],
  LLEN: [],
  LPOP: [],
  LPUSH: ['x'],
  LRANGE: ['0', '0'],
  LREM: ['0', 'x'],
  LTRIM: ['0', '-1'],
  OBJECT: [],
  PERSIST: [],
  PEXPIRE: ['x'],
  RPOP: [],
  RPUSH: ['x'],
  SADD: ['x'],
  SCARD: [],
  SET: ['1', 'NX', 'XX'],
  SETRANGE: ['0', ''],
  SISMEMBER: ['x'],
  SMEMBERS: [],
  SREM: ['x'],
  SSCAN: ['0'],
  STRLEN: [],
  TTL: [],
  PTTL: [],
  TYPE: [],
  XADD: ['NOMKSTREAM', '*', 'f', 'v'],
  XREVRANGE: ['+', '-', 'COUNT', '1'],
  ZADD: ['NX', 'XX', '1', 'x'],
  ZCARD: [],
  ZCOUNT: ['0', '0'],
  ZMSCORE: ['x'],
  ZRANGE: ['0', '0'],
  ZRANGEBYSCORE: ['0', '0'],
  ZREM: ['x'],
  ZREMRANGEBYRANK: ['0', '0'],
  ZREMRANGEBYSCORE: ['0', '0'],
  ZSCAN: ['0'],
  ZSCORE: ['x'],
};

/** Commands whose key follows a subcommand. */
const subcommands: Readonly<Record<string, string>> = { OBJECT: 'ENCODING' };

/** Commands that create their key with any arguments. */
const creating: ReadonlySet<string> = new Set(['HSETNX', 'LPUSH', 'RPUSH', 'SADD']);

/** Commands without a key, with arguments that change nothing. */
const keyless: Readonly<Record<string, readonly string[]>> = {
  'CLIENT|INFO': [],
  'CLIENT|SETINFO': ['LIB-NAME', 'a name with blanks is refused'],
  'CLIENT|SETNAME': ['a name with blanks is refused'],
  EVAL: ['return 1', '0'],
  EVALSHA: ['0'.repeat(40), '0'],
  INFO: ['server'],
  PING: [],
  ROLE: [],
  SCAN: ['0', 'COUNT', '1'],
  SELECT: ['no number'],
  TIME: [],
};

export const namesKey = (command: string): boolean => keyless[command] === undefined;

/** The question whether the user may run a command on an unused key. */
export const sampleOf = (command: string, key: string): Question => {
  const plain = keyless[command];
  if (plain !== undefined) {
    return { command: [...command.split('|'), ...plain], mayRun: true, needsString: false };
  }
  const args = afterKey[command];
  const subcommand = subcommands[command];
  return {
    command: [command, ...(subcommand === undefined ? [] : [subcommand]), key, ...(args ?? ['0', '0'])],
    mayRun: args !== undefined,
    needsString: creating.has(command),
  };
};

/** Questions for a key that may be in use: commands that only read, or whose arguments are refused. */
export const readSamples = (key: string): Question[] =>
  ['EXISTS', 'TYPE', 'HLEN', 'LLEN', 'GET'].map((c) => sampleOf(c, key));
export const writeSamples = (key: string): Question[] => ['EXPIRE', 'HSET', 'ZADD', 'SET'].map((c) => sampleOf(c, key));
