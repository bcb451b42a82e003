/** What an error of Redis means: whether it passes, what to do, and what of it may be shown. */
import { describe, expect, test } from 'vitest';
import {
  adviceFor,
  explained,
  isHopeless,
  isWrongType,
  kindOfRedisError,
  mayRetry,
  UnusableRedisError,
  withoutAdvice,
  withoutUser,
} from '../../src/io/redisErrors.ts';
import { refusalOf } from '../../src/io/trust.ts';

const ofScript = (error: string) => `ERR Error running script (call to f_1234): @user_script:12: ${error}`;

test.each([
  ['wrong-type', 'WRONGTYPE Operation against a key holding the wrong kind of value'],
  ['wrong-type', 'ERR value is not an integer or out of range'],
  ['wrong-type', 'ERR hash value is not an integer'],
  ['wrong-type', 'ERR value is not a valid float'],
  ['refused', 'READONLY You can not write against a read only replica.'],
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
  expect(isHopeless(new Error(message))).toBe(kind === 'wrong-type' || kind === 'permanent');
  expect(mayRetry(new Error(message))).toBe(kind === 'transient' || message.startsWith('READONLY'));
});

test('why a connection can not be used says itself whether that passes', () => {
  const busy = new UnusableRedisError('busy', 'transient', 'WRONGTYPE is in the text');
  const auth = new UnusableRedisError('auth', 'permanent', 'ECONNREFUSED is in the text');
  expect([busy, auth].map(kindOfRedisError)).toEqual(['transient', 'permanent']);
  expect([busy, auth].map(isHopeless)).toEqual([false, true]);
  expect([busy, auth].map(mayRetry)).toEqual([true, false]);
  expect([busy, auth].map(adviceFor)).toEqual([undefined, undefined]);
  expect([busy.code, busy.name]).toEqual(['busy', 'UnusableRedisError']);
});

describe('what to do', () => {
  test.each([
    ['NOPERM this user has no permissions', 'ACL SETUSER'],
    ['NOAUTH Authentication required.', 'give the reaper the user and password of this Redis'],
    ['WRONGPASS invalid', 'give the reaper the right user and password'],
    ['CROSSSLOT x', 'Redis Cluster is not supported'],
    ['ERR x is not allowed in cluster mode', 'Redis Cluster is not supported'],
    ['WRONGTYPE x', 'find it with TYPE'],
    ['ERR hash value is not an integer', 'find it with TYPE'],
    ["ERR unknown command 'x'", 'Redis 6.2 or newer is needed'],
    ['ERR unknown subcommand', 'Redis 6.2 or newer is needed'],
    ['ERR DB index is out of range', 'give a database that this Redis has'],
  ])('%s: %s', (message, advice) => {
    const once = explained(new Error(message));
    expect(once).toBe(`${message}: ${adviceFor(message)}`);
    expect(once).toContain(advice);
    expect(explained(new Error(once))).toBe(once);
    expect(withoutAdvice(new Error(once))).toBe(message);
    expect(explained(message)).toBe(once);
  });
  test.each(['OOM command not allowed', 'Connection is closed.', 'ERR something'])(
    'nothing is added to: %s',
    (message) => {
      expect([explained(new Error(message)), withoutAdvice(message)]).toEqual([message, message]);
    },
  );
});

test('the name of the user is not shown', () => {
  const said = "NOPERM User s3cret has no permissions to run the 'get' command";
  expect(withoutUser(said)).toBe("NOPERM this user has no permissions to run the 'get' command");
  expect(explained(new Error(said))).not.toContain('s3cret');
  expect(withoutUser('ERR ACL failure: user s3cret has no permissions')).not.toContain('s3cret');
});

test.each([
  "NOPERM User alice has no permissions to run the 'hset' command",
  "ERR ACL failure in script: User alice has no permissions to run the 'hset' command script: 1f, on @user_script:12.",
])('fault 144: what a newer Redis refuses to a user says what to do, and not who it is: %s', (message) => {
  expect(refusalOf(new Error(message))).toBe(
    "the Redis user of the reaper lacks a right (NOPERM: this user has no permissions to run the 'hset' command): allow it the commands and keys that `reaper doctor` asks for",
  );
});
