import type { Redis } from 'ioredis';
import { escapeGlob, type Keys } from '../io/redis/keys.ts';
import { readSet } from '../io/redis/paged.ts';
import { unlessRefused } from '../io/redis/refusals.ts';
import { fixedKeys, type KeyType, keysOfType, typeByName } from './keyTypes.ts';
import { type DoctorCheck, fine, notFine } from './report.ts';

/** SCANs that look for keys of the namespace, and the keys that each looks at. */
const maxScans = 100;
const scanCount = 1_000;
/** Stats of jobs whose type is looked at: there may be millions, written by one program. */
const maxStats = 1_000;
const maxTypes = 1_000;
/** Keys whose type is asked for at once. */
const typesAtOnce = 1_000;
const maxNamed = 50;

/** Keys of the namespace that hold another type than they must: every command on them fails. */
export const checkKeys = async (redis: Redis, keys: Keys): Promise<DoctorCheck[]> => {
  const fixed = fixedKeys(keys);
  const needed = new Map(fixed);
  const types = (await unlessRefused(readSet({ redis, epoch: () => 1 }, keys.knownJobs))) ?? [];
  for (const type of types.slice(0, maxTypes)) {
    for (const [key, needs] of keysOfType(keys, type)) needed.set(key, needs);
  }
  const { isComplete, isRefused } = await findKeys(redis, keys, fixed, needed);
  const found: (string | undefined)[] = [];
  const names = [...needed.keys()];
  for (let from = 0; from < names.length; from += typesAtOnce) {
    const types = names.slice(from, from + typesAtOnce).map((key) => unlessRefused(redis.type(key)));
    found.push(...(await Promise.all(types)));
  }
  if (found.every((type) => type === undefined)) {
    return [notFine('keys', 'TYPE is not allowed, so the types of keys can not be checked', 'allow TYPE on its keys')];
  }
  const wrong = [...needed].flatMap(([key, needs], i) => {
    const type = found[i];
    return type === undefined || type === 'none' || type === needs ? [] : [{ key, type, needs }];
  });
  const aside = isRefused
    ? '; SCAN is not allowed, so only keys that are known by name are checked'
    : isComplete
      ? ''
      : `; stopped after ${maxScans * scanCount} keys of the database`;
  if (wrong.length === 0) return [fine('keys', `${needed.size} keys have the type that they need${aside}`)];
  return [
    ...wrong
      .slice(0, maxNamed)
      .map(({ key, type, needs }) =>
        notFine(
          'keys',
          `${key} holds a ${type}, where a ${needs} is needed`,
          'find out who wrote it; rename it (RENAME) once no program needs it as it is',
        ),
      ),
    ...(wrong.length > maxNamed
      ? [
          notFine(
            'keys',
            `${wrong.length - maxNamed} more keys hold another type than they need`,
            'see the others first',
          ),
        ]
      : []),
  ];
};

/** Adds the keys that a bounded SCAN finds, and whose name says their type. */
const findKeys = async (
  redis: Redis,
  keys: Keys,
  fixed: ReadonlyMap<string, KeyType>,
  needed: Map<string, KeyType>,
): Promise<{ readonly isComplete: boolean; readonly isRefused: boolean }> => {
  let stats = 0;
  let cursor = '0';
  for (let scans = 0; scans < maxScans; scans++) {
    const reply = await unlessRefused(redis.scan(cursor, 'MATCH', `${escapeGlob(keys.prefix)}*`, 'COUNT', scanCount));
    if (reply === undefined) return { isComplete: false, isRefused: true };
    for (const key of reply[1]) {
      const needs = needed.has(key) ? undefined : typeByName(keys, fixed, key);
      if (needs === undefined) continue;
      if (key.startsWith(keys.stats(''))) {
        stats += 1;
        if (stats > maxStats) continue;
      }
      needed.set(key, needs);
    }
    cursor = reply[0];
    if (cursor === '0') return { isComplete: true, isRefused: false };
  }
  return { isComplete: false, isRefused: false };
};
