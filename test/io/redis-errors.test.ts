/** What an error of Redis means: whether it is transient, what to do, and what of it may be shown. */
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { ReaperError } from '../../src/errors.ts';
import {
  classify,
  codeOfOutage,
  forCaller,
  isHopeless,
  isNoPermission,
  isWrongType,
  kindOfRedisError,
  mayRetry,
  RedisError,
  redact,
  refusalOf,
  UnusableRedisError,
  withoutUser,
} from '../../src/io/redis/errors.ts';

const ofScript = (error: string) => `ERR Error running script (call to f_1234): @user_script:12: ${error}`;

test.each([
  ['wrong-type', 'WRONGTYPE Operation against a key holding the wrong kind of value'],
  ['wrong-type', 'ERR value is not an integer or out of range'],
  ['wrong-type', 'ERR hash value is not an integer'],
  ['wrong-type', 'ERR value is not a valid float'],
  ['refused', "READONLY You can't write against a read only replica."],
  ['refused', 'OOM command not allowed when used memory > maxmemory'],
  ['refused', 'MISCONF Redis is configured to save RDB snapshots'],
  ['refused', 'NOREPLICAS Not enough good replicas to write.'],
  ['permanent', "NOPERM this user has no permissions to run the 'get' command"],
  ['permanent', 'NOAUTH Authentication required.'],
  ['permanent', 'WRONGPASS invalid username-password pair'],
  ['permanent', "CROSSSLOT Keys in request don't hash to the same slot"],
  ['permanent', 'MOVED 1 127.0.0.1:7000'],
  ['permanent', 'ASK 1 127.0.0.1:7000'],
  ['permanent', "ERR unknown command 'ZMSCORE'"],
  ['permanent', 'ERR Unknown Redis command called from script'],
  ['permanent', "ERR unknown subcommand 'x'"],
  ['permanent', 'ERR DB index is out of range'],
  ['permanent', 'ERR SELECT is not allowed in cluster mode'],
  ['permanent', "ERR The user executing the script can't run this command or subcommand"],
  [
    'permanent',
    "ERR ACL failure in script: User u has no permissions to run the 'hset' command script: 1f, on @user_script:12.",
  ],
  ['transient', 'LOADING Redis is loading the dataset in memory'],
  ['transient', 'BUSY Redis is busy running a script.'],
  ['transient', 'TRYAGAIN Multiple keys request during rehashing of slot'],
  ['transient', 'CLUSTERDOWN The cluster is down'],
  ['transient', 'MASTERDOWN Link with MASTER is down'],
  ['transient', 'UNBLOCKED force unblock from blocking operation'],
  ['transient', 'ERR max number of clients reached'],
  ['transient', 'Connection is closed.'],
  ['transient', 'connect ECONNREFUSED 127.0.0.1:6379'],
  ['transient', 'write EPIPE'],
  ['transient', 'connect ETIMEDOUT'],
  ['transient', 'connect EHOSTUNREACH 10.0.0.1:6379'],
  ['transient', 'connect ENETUNREACH 10.0.0.1:6379'],
  ['transient', 'getaddrinfo ENOTFOUND redis'],
  ['transient', 'getaddrinfo EAI_AGAIN redis'],
  ['transient', 'Command timed out'],
  ['transient', "Stream isn't writeable and enableOfflineQueue options is false"],
  ['transient', 'Reached the max retries per request limit (which is 3).'],
  ['unknown', 'ERR wrong number of arguments'],
  ['unknown', 'the rest said MOVED'],
  ['unknown', 'BUSYKEY Target key name already exists.'],
] as const)('%s: %s', (kind, message) => {
  expect(kindOfRedisError(new Error(message))).toBe(kind);
  expect(kindOfRedisError(message)).toBe(kind);
  // Redis 6.2 says the same of a command that a script ran.
  if (!message.includes('onnection') && !message.startsWith('the'))
    expect([message, kindOfRedisError(new Error(ofScript(message)))]).toEqual([message, kind]);
  expect(isWrongType(new Error(message))).toBe(kind === 'wrong-type');
  const { code } = classify(message);
  const isRefusal = kind === 'refused' || code === 'redis-no-permission' || code === 'redis-unknown-command';
  expect(refusalOf(new Error(message))).toEqual(isRefusal ? { code, message: classify(message).message } : undefined);
  expect(isNoPermission(new Error(message))).toBe(code === 'redis-no-permission');
  expect(codeOfOutage(new Error(message))).toBe(kind === 'unknown' ? 'redis-unreachable' : code);
  expect(isHopeless(new Error(message))).toBe(kind === 'wrong-type' || kind === 'permanent');
  expect(mayRetry(new Error(message))).toBe(kind === 'transient' || message.startsWith('READONLY'));
});

test('an unusable connection keeps its own code, kind and message', () => {
  const busy = new UnusableRedisError('redis-busy', 'transient', 'WRONGTYPE is in the text');
  const auth = new UnusableRedisError('redis-wrong-password', 'permanent', 'ECONNREFUSED is in the text');
  expect([busy, auth].map(kindOfRedisError)).toEqual(['transient', 'permanent']);
  expect([busy, auth].map(isHopeless)).toEqual([false, true]);
  expect([busy, auth].map(mayRetry)).toEqual([true, false]);
  expect(classify(busy)).toEqual({ kind: 'transient', code: 'redis-busy', advice: undefined, message: busy.message });
  expect([busy.name, forCaller(busy)]).toEqual(['UnusableRedisError', busy]);
});

describe('the message of a classified error', () => {
  test.each([
    ['NOPERM this user has no permissions', 'redis-no-permission', 'ACL SETUSER'],
    ['NOAUTH Authentication required.', 'redis-wrong-password', 'give the reaper the user and password of this Redis'],
    ['WRONGPASS invalid', 'redis-wrong-password', 'give the reaper the user and password of this Redis'],
    ['CROSSSLOT x', 'redis-cluster', 'Redis Cluster is not supported'],
    ['ERR x is not allowed in cluster mode', 'redis-cluster', 'use a Redis without cluster mode'],
    ['WRONGTYPE x', 'redis-wrong-type', 'find it with TYPE'],
    ['ERR hash value is not an integer', 'redis-wrong-type', 'find it with TYPE'],
    ["ERR unknown command 'x'", 'redis-unknown-command', 'use Redis 6.2 or newer'],
    ['ERR unknown subcommand', 'redis-unknown-command', 'use Redis 6.2 or newer'],
    ['ERR DB index is out of range', 'redis-wrong-database', 'give a database that this Redis has'],
    ['NOPROTO unsupported protocol version', 'redis-unusable-client', 'neither subscribes nor monitors'],
    ['READONLY x', 'redis-read-only', 'wait for the failover to end'],
    ['OOM x', 'redis-out-of-memory', 'raise its maxmemory'],
    ['MISCONF x', 'redis-cannot-save', 'free space on its disk'],
    ['NOREPLICAS x', 'redis-no-replicas', 'min-replicas-to-write'],
  ] as const)('%s: code %s, and says what to do', (said, code, words) => {
    const error = new Error(said);
    const fault = classify(error);
    expect(fault).toMatchObject({ code, message: expect.stringContaining(words) });
    expect(fault.message.endsWith(`: ${fault.advice}`)).toBe(true);
    // What Redis said: its first word is enough where it has only one meaning.
    expect(fault.message).toContain(
      fault.kind === 'refused' ? `(${said.split(' ')[0]})` : said.replace(/^NOPERM /, ''),
    );
    const once = forCaller(error) as RedisError;
    expect(once).toBeInstanceOf(RedisError);
    expect(once).toMatchObject({ ...fault, cause: error });
    expect(forCaller(once)).toBe(once);
    expect(classify(once)).toEqual(fault);
  });

  test.each([
    ['Connection is closed.', 'redis-unreachable'],
    ['LOADING x', 'redis-busy'],
    ['ERR max number of clients reached', 'redis-busy'],
    ['ERR something', 'redis-error'],
  ] as const)('%s is the text of Redis: its code is %s', (said, code) => {
    const error = new Error(said);
    expect(classify(error)).toMatchObject({ code, advice: undefined, message: said });
    expect(forCaller(error)).toMatchObject({ message: said });
  });

  test('of a script error in Redis 6.2 contains the error of the command', () => {
    expect(classify(new Error(ofScript('WRONGTYPE x'))).message).toContain('(WRONGTYPE x)');
  });
});

test('the name of the user is not shown', () => {
  const said = "NOPERM User s3cret has no permissions to run the 'get' command";
  expect(withoutUser(said)).toBe("NOPERM this user has no permissions to run the 'get' command");
  expect(classify(new Error(said)).message).not.toContain('s3cret');
  expect(withoutUser('ERR ACL failure: user s3cret has no permissions')).not.toContain('s3cret');
});

test('a redacted error shows neither the user nor the command', () => {
  const said = "NOPERM User s3cret has no permissions to run the 'auth' command";
  const error = Object.assign(new Error(said), { command: { name: 'auth', args: ['s3cret'] } });
  expect(inspect(error)).toContain('s3cret');
  expect(redact(error)).toBe(error);
  expect(`${inspect(error)}${error.stack}${JSON.stringify(error)}`).not.toContain('s3cret');
  expect(error.message).toContain('no permissions to run');
});

test.each([
  "NOPERM User alice has no permissions to run the 'hset' command",
  "ERR ACL failure in script: User alice has no permissions to run the 'hset' command script: 1f, on @user_script:12.",
])('fault 144: the refusal of a newer Redis says what to do and does not name the user: %s', (message) => {
  const refusal = refusalOf(new Error(message))?.message;
  expect(refusal).toContain("lacks a right (NOPERM: this user has no permissions to run the 'hset' command): ");
  expect(refusal).not.toContain('alice');
});

test('a caller gets an error of Redis with its code, and without the user or the command', () => {
  const said = "NOPERM User s3cret has no permissions to run the 'get' command";
  const error = Object.assign(new Error(said), { command: { args: ['s3cret'] } });
  const ofRedis = forCaller(error) as RedisError;
  expect(ofRedis).toBeInstanceOf(RedisError);
  expect(ofRedis).toMatchObject({ name: 'RedisError', code: 'redis-no-permission', kind: 'permanent', cause: error });
  expect(inspect(ofRedis)).not.toContain('s3cret');
  const reply = Object.assign(new Error('ERR wrong number of arguments'), { name: 'ReplyError' });
  expect(forCaller(reply)).toMatchObject({
    code: 'redis-error',
    kind: 'unknown',
    message: reply.message,
    cause: reply,
  });
});

test('a caller gets every other error as it is', () => {
  const others = [new Error('a fault'), new ReaperError('plan-moved', 'Connection is closed.'), 'OOM', undefined];
  for (const other of others) expect(forCaller(other)).toBe(other);
});

test('an error without a stack is redacted too, and so are the errors behind it', () => {
  const behind = Object.assign(new Error('User s3cret has no permissions'), { command: { args: ['s3cret'] } });
  const error = new Error('x', { cause: behind });
  delete (error as { stack?: string }).stack;
  expect(redact(error)).toBe(error);
  expect(`${inspect(error)}${inspect(behind)}`).not.toContain('s3cret');
});
