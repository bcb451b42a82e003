import { isUtf8 } from 'node:buffer';
import type { Redis } from 'ioredis';
import type { Connection } from './connection.ts';

/**
 * Reads of what others may make as large as they like. Redis does nothing else while it runs a command, so each command here
 * reads a bounded part, and this process sends a bounded number of them at once.
 */

/** Members that one command reads, and keys that one command asks for. */
const pageSize = 1_000;
const keysAtOnce = 500;
/** Keys below which each is asked for by itself. */
const fewKeys = 8;
/** Commands that are sent at once. */
const commandsAtOnce = 500;

/** What a read needs of the connection. */
type Source = Pick<Connection, 'redis' | 'epoch'>;

type Scan = (redis: Redis, cursor: string) => Promise<[string, string[]]>;

/** A cursor is worth nothing to another process of Redis: the scan begins again where the connection was made anew. */
const scanAll = async ({ redis, epoch }: Source, scan: Scan, every: 1 | 2): Promise<string[]> => {
  for (;;) {
    const began = epoch();
    const found = new Set<string>();
    let cursor = '0';
    do {
      const [next, items] = await scan(redis, cursor);
      for (let i = 0; i < items.length; i += every) found.add(items[i] as string);
      cursor = next;
      // The first command of all makes the connection.
    } while (cursor !== '0' && (began === 0 || epoch() === began));
    if (began === 0 || epoch() === began) return [...found];
  }
};

/** All members of a set. One that comes or goes meanwhile may be among them or not. */
export const readSet = (connection: Source, key: string): Promise<string[]> =>
  scanAll(connection, (redis, cursor) => redis.sscan(key, cursor, 'COUNT', pageSize), 1);

/** The names of all fields of a hash, likewise. */
export const readFieldNames = (connection: Source, key: string): Promise<string[]> =>
  scanAll(connection, (redis, cursor) => redis.hscan(key, cursor, 'COUNT', pageSize), 2);

/** Names as they stand in Redis. What is no UTF-8 can't be asked for by the text that it is read as. */
export interface Names {
  readonly names: readonly string[];
  /** Those that are no UTF-8, as a person reads them. */
  readonly broken: readonly string[];
}

const replacement = '\uFFFD';
const brokenMark = '\uD800';

const namesOf = (read: readonly string[]): Names => ({
  names: read.filter((name) => !name.startsWith(brokenMark)),
  broken: [...new Set(read.flatMap((name) => (name.startsWith(brokenMark) ? [name.slice(1)] : [])))].sort(),
});

/** The text of a name; behind a mark that no text has where it is no UTF-8. */
const marked = (name: Buffer): string => (isUtf8(name) ? name.toString() : brokenMark + name.toString());

/** The members of a set, or the names of a hash's fields. Only where one may be no UTF-8 they are read as bytes. */
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

/** The names in a text with commas, which may be no UTF-8. */
export const splitNames = (text: Buffer | null | undefined): Names =>
  namesOf(
    (text?.toString('latin1') ?? '')
      .split(',')
      .flatMap((part) => (part === '' ? [] : [marked(Buffer.from(part, 'latin1'))])),
  );

/** All fields of a hash with their values, likewise. A field that was read twice has its later value. */
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

/** Does something with each item, a bounded number at a time, and gives the results in their order. */
export const inChunks = async <Item, Result>(
  items: readonly Item[],
  step: (item: Item) => Promise<Result>,
  atOnce = commandsAtOnce,
): Promise<Result[]> => {
  if (items.length <= atOnce) return Promise.all(items.map(step));
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += atOnce) {
    for (const result of await Promise.all(items.slice(from, from + atOnce).map(step))) results.push(result);
  }
  return results;
};

/** A list in parts of that many items. */
export const partsOf = <Item>(items: readonly Item[], size: number): Item[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

/** Those of the keys that are there. Asked for many at once, for most of them are not, where there are many. */
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
