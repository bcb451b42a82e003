import { isUtf8 } from 'node:buffer';
import { bytesText } from './bytesText.ts';
import type { Connection } from './connection.ts';
import type { Keys } from './keys.ts';

/** An existing key below `<ns>jobs:`. */
export interface FoundKey {
  readonly key: string;
  /** The key without `<ns>jobs:`. */
  readonly name: string;
  /** Its Redis type; `brokenName` for a key whose name is invalid UTF-8, which no string can address: its name is a text for people. */
  readonly holds: string;
  /** Its name in a walk, if that differs from its name. */
  readonly mark?: string;
}

/** COUNT of one SCAN, and SCANs of one bounded step. */
const scanCount = 1_000;
const scansAStep = 20;
/** How many TYPE commands are sent at once. */
const stride = 1_000;

/** The name of a key in a walk. A name that is invalid UTF-8 becomes its bytes behind a mark that no valid name has. */
const brokenMark = '\uD800';
const markOf = (key: Buffer): string => (isUtf8(key) ? key.toString() : `${brokenMark}${key.toString('latin1')}`);
const bytesOf = (mark: string): Buffer | undefined =>
  mark.startsWith(brokenMark) ? Buffer.from(mark.slice(1), 'latin1') : undefined;

/** Those keys of a walk that still exist, with their types: a name alone proves nothing. */
export const standing = async ({ redis }: Connection, keys: Keys, found: Iterable<string>): Promise<FoundKey[]> => {
  const all = [...found];
  const prefixLength = Buffer.byteLength(keys.jobsPrefix);
  const result: FoundKey[] = [];
  for (let from = 0; from < all.length; from += stride) {
    const some = all.slice(from, from + stride);
    const types = await Promise.all(some.map((mark) => redis.type(bytesOf(mark) ?? mark)));
    for (const [i, mark] of some.entries()) {
      const holds = types[i] as string;
      if (holds === 'none') continue;
      const bytes = bytesOf(mark);
      const name = bytes === undefined ? mark.slice(keys.jobsPrefix.length) : bytesText(bytes.subarray(prefixLength));
      const key = keys.jobsPrefix + name;
      result.push({ key, name, ...(bytes === undefined ? { holds } : { holds: 'brokenName', mark }) });
    }
  }
  return result;
};

/** Runs one SCAN. Returns the next cursor, or undefined if the connection was made again: no cursor outlives it. */
const scanOnce = async (connection: Connection, keys: Keys, cursor: string, into: Set<string>) => {
  const epoch = connection.epoch();
  const [next, found] = await connection.redis.scanBuffer(cursor, 'MATCH', keys.jobsPattern, 'COUNT', scanCount);
  for (const key of found) into.add(markOf(key));
  // The very first command makes the connection.
  return epoch !== 0 && connection.epoch() !== epoch ? undefined : String(next);
};

/** Scans the names of keys until all were seen, or until `isOver`, with its own cursor. */
export const walkKeysUntil = async (
  connection: Connection,
  keys: Keys,
  isOver: () => boolean,
): Promise<{ readonly found: FoundKey[]; readonly isComplete: boolean }> => {
  const found = new Set<string>();
  let cursor: string | undefined = '0';
  do {
    cursor = await scanOnce(connection, keys, cursor ?? '0', found);
  } while (cursor !== '0' && !isOver());
  return { found: await standing(connection, keys, found), isComplete: cursor === '0' };
};

/** Scans the names of all keys once. */
export const walkAllKeys = async (connection: Connection, keys: Keys): Promise<FoundKey[]> =>
  (await walkKeysUntil(connection, keys, () => false)).found;

/** A walk that advances by a bounded number of keys at each step, so it never scans millions of keys at once. */
export interface StepwiseWalk {
  /** Advances, and returns what this round and the round before have found. Steps run one after the other. */
  step(): Promise<FoundKey[]>;
  /** Uses the result of a complete walk as the round before. */
  keep(found: readonly FoundKey[]): void;
}

export const createStepwiseWalk = (connection: Connection, keys: Keys): StepwiseWalk => {
  let cursor = '0';
  let epoch = connection.epoch();
  let round = new Set<string>();
  let lastRound = new Set<string>();
  let last: Promise<unknown> = Promise.resolve();

  const take = async () => {
    if (connection.epoch() !== epoch) {
      epoch = connection.epoch();
      cursor = '0';
    }
    for (let scans = 0; scans < scansAStep; scans++) {
      const next = await scanOnce(connection, keys, cursor, round);
      cursor = next ?? '0';
      if (next !== '0') continue;
      lastRound = round;
      round = new Set();
      break;
    }
    return standing(connection, keys, new Set([...lastRound, ...round]));
  };

  return {
    step() {
      const mine = last.then(take);
      last = mine.catch(() => undefined);
      return mine;
    },
    keep(found) {
      lastRound = new Set(found.map(({ key, mark = key }) => mark));
    },
  };
};
