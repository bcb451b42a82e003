import type { Redis } from 'ioredis';
import { countText } from '../ages.ts';
import { escapeGlob, type Keys } from '../io/redis/keys.ts';
import { partsOf, readSet } from '../io/redis/paged.ts';
import { unlessRefused } from '../io/redis/refusals.ts';
import { type KeyType, keysOfType, singleKeysOf } from '../io/redis/wrongTypes.ts';
import { typesByName } from './keyTypes.ts';
import { type DoctorCheck, fine, notFine } from './report.ts';

/** How many SCANs look for keys of the namespace, and their COUNT. */
const maxScans = 100;
const scanCount = 1_000;
/** How many job stats are checked: there may be millions, all written by the same program. */
const maxStats = 1_000;
const maxTypes = 1_000;
/** How many TYPE commands are sent at once. */
const typesAtOnce = 1_000;
const maxNamed = 50;

/** Key → the type that it must have. */
type NeededTypes = Map<string, KeyType>;

/** Checks for keys of the namespace that hold the wrong type: every command on them fails. */
export const checkKeys = async (redis: Redis, keys: Keys): Promise<DoctorCheck[]> => {
  const needed: NeededTypes = new Map(singleKeysOf(keys));
  const types = (await unlessRefused(readSet({ redis, epoch: () => 1 }, keys.knownJobs))) ?? [];
  for (const type of types.slice(0, maxTypes)) {
    for (const [key, needs] of keysOfType(keys, type)) needed.set(key, needs);
  }
  const scan = await addScanned(redis, keys, needed);
  const found: (string | undefined)[] = [];
  for (const some of partsOf([...needed.keys()], typesAtOnce)) {
    found.push(...(await Promise.all(some.map((key) => unlessRefused(redis.type(key))))));
  }
  if (found.every((type) => type === undefined)) {
    return [notFine('keys', 'TYPE is not allowed, so the types of keys cannot be checked', 'allow TYPE on its keys')];
  }
  const wrong = [...needed].flatMap(([key, needs], i) => {
    const type = found[i];
    return type === undefined || type === 'none' || type === needs ? [] : [{ key, type, needs }];
  });
  return wrong.length === 0
    ? [fine('keys', `${countText(needed.size)} keys have the type that they need${limitOf(scan)}`)]
    : reportWrong(wrong);
};

const limitOf = ({ isComplete, isRefused }: { isComplete: boolean; isRefused: boolean }): string => {
  if (isRefused) return '; SCAN is not allowed, so only keys that are known by name are checked';
  return isComplete ? '' : `; stopped after ${countText(maxScans * scanCount)} keys of the database`;
};

const reportWrong = (wrong: readonly { key: string; type: string; needs: string }[]): DoctorCheck[] => {
  const checks = wrong
    .slice(0, maxNamed)
    .map(({ key, type, needs }) =>
      notFine(
        'keys',
        `${key} holds a ${type}, where a ${needs} is needed`,
        'find out which program wrote it; rename it (RENAME) once no program needs it as it is',
      ),
    );
  if (wrong.length <= maxNamed) return checks;
  const more = `${countText(wrong.length - maxNamed)} more keys hold another type than they need`;
  return [...checks, notFine('keys', more, 'see the others first')];
};

/** Adds the keys that a bounded SCAN finds and whose name tells their type. */
const addScanned = async (
  redis: Redis,
  keys: Keys,
  needed: NeededTypes,
): Promise<{ readonly isComplete: boolean; readonly isRefused: boolean }> => {
  const typeOf = typesByName(keys);
  let stats = 0;
  let cursor = '0';
  for (let scans = 0; scans < maxScans; scans++) {
    const reply = await unlessRefused(redis.scan(cursor, 'MATCH', `${escapeGlob(keys.prefix)}*`, 'COUNT', scanCount));
    if (reply === undefined) return { isComplete: false, isRefused: true };
    for (const key of reply[1]) {
      const needs = needed.has(key) ? undefined : typeOf(key);
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
