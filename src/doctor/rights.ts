import type { Redis } from 'ioredis';
import type { Keys } from '../io/redis/keys.ts';
import { keyRule, nameOf, type Right, rightsFor, ruleOf } from '../io/redis/rights.ts';
import { newToken } from '../io/redis/scripts.ts';
import { kindsOfKeys } from './keyTypes.ts';
import { type Answers, askRights, type Question } from './questions.ts';
import { blocking, type DoctorCheck, fine, notFine } from './report.ts';
import { namesKey, readSamples, sampleOf, writeSamples } from './samples.ts';

/** The oldest supported version. Every newer one knows its ACL rules. */
const oldest = '6.2';
/** How many keys a report lists. */
const maxNamed = 20;

/** The advice. The name of the user is never part of the output. */
const rule = (text: string): string => `ACL SETUSER <user> ${text}`;

/** Checks the rights of the Redis user, as far as Redis reports them. */
export const checkRights = async ({
  redis,
  keys,
  namespace,
  database,
  version = oldest,
}: {
  redis: Redis;
  keys: Keys;
  namespace: string;
  /** The configured database: 0 needs no SELECT. */
  database: number;
  version: string | undefined;
}): Promise<DoctorCheck[]> => {
  const rights = rightsFor(version);
  const kinds = kindsOfKeys(keys);
  // Several keys for each command, so that a refused key is not taken for a refused command.
  const token = newToken();
  // Some samples change what their key holds, so no other program may use it.
  const probe = `${keys.probe}:${token}`;
  const unused = ['reaper:doctor', 'job_stats:reaper', 'jobs:reaper'].map((name) => `${keys.prefix}${name}:${token}`);
  const plan = [
    ...rights.map(({ command }) => samplesOf(command, [probe, ...unused])),
    ...kinds.flatMap(({ key }) => [readSamples(key), writeSamples(key)]),
  ];
  const answers = group(await askRights(redis, probe, plan.flat()), plan);
  const ofCommands = rights.map((right, i) => ({ right, may: isAllowed(answers[i] ?? []) }));
  const ofKeys = kinds.map(({ key, isWritten }, i): KeyAccess => {
    const [read = [], write = []] = answers.slice(rights.length + 2 * i);
    return { key, mayRead: isAllowed(read), mayWrite: !isWritten || isAllowed(write) };
  });

  // If every command with a key is refused, the user has no right to the keys.
  const areKeysRefused = ofKeys.every(({ mayRead }) => mayRead === false);
  const missing = ofCommands.filter(({ right, may }) => may === false && !(areKeysRefused && namesKey(right.command)));
  const unknown = ofCommands.filter(({ may }) => may === undefined).map(({ right }) => nameOf(right.command));
  const checks = [
    ...missing.map(({ right }) => missingRight(right, database)),
    ...(areKeysRefused ? [noKey(namespace, rights)] : missingKeys(namespace, ofKeys)),
  ];
  if (unknown.length === 0 || areKeysRefused) {
    return checks.length > 0 ? checks : [fine('rights', `all ${rights.length} commands, on all keys of the namespace`)];
  }
  const names = unknown.join(', ');
  if (checks.length === 0) return [fine('rights', `none is missing; this cannot be checked: ${names}`)];
  return [
    ...checks,
    notFine('rights', `these cannot be checked without EVAL: ${names}`, 'run reaper doctor again with EVAL allowed'),
  ];
};

/** The rights on one key; undefined where they are unknown. */
interface KeyAccess {
  readonly key: string;
  readonly mayRead: boolean | undefined;
  readonly mayWrite: boolean | undefined;
}

const noKey = (namespace: string, rights: readonly Right[]): DoctorCheck =>
  blocking(
    'rights',
    `no key of the namespace ${namespace} is allowed, or no command that reads and writes them`,
    rule(`'${keyRule(namespace)}' ${rights.map(({ command }) => ruleOf(command)).join(' ')}`),
  );

const missingKeys = (namespace: string, access: readonly KeyAccess[]): DoctorCheck[] =>
  access
    .filter(({ mayRead, mayWrite }) => mayRead === false || mayWrite === false)
    .slice(0, maxNamed)
    .map(({ key, mayRead }) =>
      blocking('rights', `no right to ${mayRead === false ? 'read' : 'write'} ${key}`, rule(`'${keyRule(namespace)}'`)),
    );

const samplesOf = (command: string, keys: readonly string[]): Question[] => {
  if (!namesKey(command)) return [sampleOf(command, '')];
  return keys.map((key) => sampleOf(command, key)).filter(({ needsString }, i) => i === 0 || !needsString);
};

/** Splits the answers by the questions of the plan. */
const group = (answers: Answers, plan: readonly (readonly Question[])[]): Answers[] => {
  let from = 0;
  return plan.map((questions) => {
    const to = from + questions.length;
    const mine = answers.slice(from, to);
    from = to;
    return mine;
  });
};

/** Whether any answer is yes; undefined if no question was answered. */
const isAllowed = (answers: Answers): boolean | undefined =>
  answers.includes(true) ? true : answers.includes(false) ? false : undefined;

const missingRight = ({ command, isNeeded, without }: Right, database: number): DoctorCheck =>
  (isNeeded && !(command === 'SELECT' && database === 0) ? blocking : notFine)(
    'rights',
    `no right to run ${nameOf(command)}; without it ${without}`,
    rule(ruleOf(command)),
  );
