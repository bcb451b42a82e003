import { isUtf8 } from 'node:buffer';
import type { Redis } from 'ioredis';
import { bytesText } from './bytesText.ts';
import type { Connection } from './connection.ts';

/**
 * Reads keys that other programs may make as large as they like. Redis runs one command at a time, so each command here reads a
 * bounded part, and this process sends a bounded number of commands at once.
 */

/** How many members one command reads, and how many keys one EXISTS names. */
const pageSize = 1_000;
const keysAtOnce = 500;
/** Below this number of keys, each gets an EXISTS of its own. */
const fewKeys = 8;
/** How many commands are sent at once. */
const maxParallelCommands = 500;

/** The parts of the connection that a read needs. */
type Source = Pick<Connection, 'redis' | 'epoch'>;

type Scan = (redis: Redis, cursor: string) => Promise<[string, string[]]>;

/** Scans a key to its end. A cursor means nothing to another Redis process, so the scan restarts after a reconnect. */
const scanAll = async ({ redis, epoch }: Source, scan: Scan, every: 1 | 2): Promise<string[]> => {
  for (;;) {
    const began = epoch();
    const found = new Set<string>();
    let cursor = '0';
    do {
      const [next, items] = await scan(redis, cursor);
      for (let i = 0; i < items.length; i += every) found.add(items[i] as string);
      cursor = next;
      // The very first command makes the connection.
    } while (cursor !== '0' && (began === 0 || epoch() === began));
    if (began === 0 || epoch() === began) return [...found];
  }
};

/** All members of a set. A member that is added or removed during the scan may be missing. */
export const readSet = (connection: Source, key: string): Promise<string[]> =>
  scanAll(connection, (redis, cursor) => redis.sscan(key, cursor, 'COUNT', pageSize), 1);

/** The names of all fields of a hash, with the same limit. */
export const readFieldNames = (connection: Source, key: string): Promise<string[]> =>
  scanAll(connection, (redis, cursor) => redis.hscan(key, cursor, 'COUNT', pageSize), 2);

/** Names in Redis. A name that is invalid UTF-8 cannot be looked up by the string that it decodes to. */
export interface Names {
  readonly names: readonly string[];
  /** Names that are invalid UTF-8, as texts for people (`bytesText`). */
  readonly broken: readonly string[];
}

const replacement = '\uFFFD';
const brokenMark = '\uD800';

const namesOf = (read: readonly string[]): Names => ({
  names: read.filter((name) => !name.startsWith(brokenMark)),
  broken: [...new Set(read.flatMap((name) => (name.startsWith(brokenMark) ? [name.slice(1)] : [])))].sort(),
});

/** A name as a string. A name that is invalid UTF-8 becomes a text behind a mark that no valid name has. */
const marked = (name: Buffer): string => (isUtf8(name) ? name.toString() : brokenMark + bytesText(name));

/** The members of a set, or the field names of a hash. They are read as bytes only if one may be invalid UTF-8. */
export const readNames = async (connection: Source, key: string, holds: 'set' | 'hash'): Promise<Names> => {
  const isSet = holds === 'set';
  const names = await (isSet ? readSet : readFieldNames)(connection, key);
  if (!names.some((name) => name.includes(replacement))) return { names, broken: [] };
  const read = await scanAll(
    connection,
    async (redis, cursor) => {
      const [next, items] = await (isSet
        ? redis.sscanBuffer(key, cursor, 'COUNT', pageSize)
        : redis.hscanBuffer(key, cursor, 'COUNT', pageSize));
      return [String(next), items.map(marked)];
    },
    isSet ? 1 : 2,
  );
  return namesOf(read);
};

/** Splits a comma-separated text whose names may be invalid UTF-8. */
export const splitNames = (text: Buffer | null | undefined): Names =>
  namesOf(
    (text?.toString('latin1') ?? '')
      .split(',')
      .flatMap((part) => (part === '' ? [] : [marked(Buffer.from(part, 'latin1'))])),
  );

/** All fields of a hash with their values. A field that the scan returns twice has its later value. */
export const readHash = async (connection: Source, key: string): Promise<ReadonlyMap<string, string>> => {
  let values = new Map<string, string>();
  await scanAll(
    connection,
    async (redis, cursor) => {
      if (cursor === '0') values = new Map();
      const reply = await redis.hscan(key, cursor, 'COUNT', pageSize);
      for (let i = 0; i < reply[1].length; i += 2) values.set(reply[1][i] as string, reply[1][i + 1] as string);
      return reply;
    },
    2,
  );
  return values;
};

/** Maps each item with an async function, a bounded number at a time. The results are in the order of the items. */
export const inChunks = async <Item, Result>(
  items: readonly Item[],
  step: (item: Item) => Promise<Result>,
  maxParallel = maxParallelCommands,
): Promise<Result[]> => {
  if (items.length <= maxParallel) return Promise.all(items.map(step));
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += maxParallel) {
    for (const result of await Promise.all(items.slice(from, from + maxParallel).map(step))) results.push(result);
  }
  return results;
};

/** Splits a list into parts of `size` items. */
export const partsOf = <Item>(items: readonly Item[], size: number): Item[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

/** The keys that exist. Of many keys most are missing, so one EXISTS asks for many at once. */
export const existingOf = async (redis: Redis, keys: readonly string[]): Promise<string[]> => {
  const existing = async (some: readonly string[]): Promise<readonly string[]> => {
    if (some.length === 0) return [];
    const count = await redis.exists(...some);
    if (count === 0 || count === some.length) return count === 0 ? [] : some;
    if (some.length <= fewKeys) {
      const found = await Promise.all(some.map((key) => redis.exists(key)));
      return some.filter((_, i) => found[i] === 1);
    }
    const half = some.length >> 1;
    return (await Promise.all([existing(some.slice(0, half)), existing(some.slice(half))])).flat();
  };
  return (await inChunks(partsOf([...new Set(keys)], keysAtOnce), existing, 10)).flat();
};
