/** The names by which the name of a key is read. */
export interface KnownNames {
  readonly types: ReadonlySet<string>;
  readonly pools: ReadonlySet<string>;
}

/** An in-progress list's job type and pool. */
export interface ListName {
  readonly type: string;
  readonly pool: string;
}

/** `several`: more than one type and pool fit; `none`: it is named like an in-progress list, and no type and pool fit. */
export type ListReading = ListName | 'several' | 'none';

const suffix = ':inprogress';

/** The part of an in-progress list's name that holds type and pool; undefined for any other name. */
const middleOf = (name: string): string | undefined => {
  const middle = name.endsWith(suffix) ? name.slice(0, -suffix.length) : '';
  return middle.includes(':') ? middle : undefined;
};

/**
 * Every type and pool that the name of an in-progress list may consist of: one for each colon, for both may hold colons.
 * @param name what stands behind `<ns>jobs:`.
 */
export const splitsOf = (name: string): readonly ListName[] => {
  const middle = middleOf(name) ?? '';
  const splits: ListName[] = [];
  for (let at = middle.indexOf(':'); at >= 0; at = middle.indexOf(':', at + 1)) {
    const [type, pool] = [middle.slice(0, at), middle.slice(at + 1)];
    if (type !== '' && pool !== '') splits.push({ type, pool });
  }
  return splits;
};

/**
 * Reads the name of an in-progress list: a type and a pool that are both known come first, then one of which either is
 * known, then the only one that the name can mean. Undefined for a name that is no such list's, the queue of a known type
 * among them.
 */
export const readListName = (name: string, { types, pools }: KnownNames): ListReading | undefined => {
  if (middleOf(name) === undefined) return undefined;
  const splits = splitsOf(name);
  const known = splits.filter(({ type, pool }) => types.has(type) && pools.has(pool));
  if (types.has(name)) return known.length === 0 ? undefined : 'several';
  const half = splits.filter(({ type, pool }) => types.has(type) || pools.has(pool));
  const fitting = [known, half, splits].find(({ length }) => length > 0) ?? [];
  if (fitting.length > 1) return 'several';
  return fitting[0] ?? 'none';
};

/** What the other keys of a type end with. */
const endings = { lock: ':lock', lockInfo: ':lock_info', cap: ':max_concurrency' } as const;

/**
 * The job type that a key below `<ns>jobs:` proves, by its name and by what it holds: a list is a queue, unless it is named
 * like an in-progress list; a hash is a lock_info; a string a lock or a cap. So a type may be named like another's counter.
 */
export const typeProvenBy = (name: string, holds: string): string | undefined => {
  const before = (ending: string) =>
    name.endsWith(ending) && name.length > ending.length ? name.slice(0, -ending.length) : undefined;
  if (holds === 'list') return middleOf(name) === undefined && name !== '' ? name : undefined;
  if (holds === 'hash') return before(endings.lockInfo);
  if (holds === 'string') return before(endings.lock) ?? before(endings.cap);
  return undefined;
};

/** Names that one message names at most. */
const mostNamed = 5;

/** What to say of a lock_info that counts pools whose names are no UTF-8. */
export const brokenCounts = (key: string, pools: readonly string[]): string => {
  const named = pools.slice(0, mostNamed).join(', ');
  const more = pools.length > mostNamed ? ` and ${pools.length - mostNamed} more` : '';
  return `${key}: counts a pool whose name is no UTF-8 (${named}${more}); it and the lock are left: remove that field (HDEL)`;
};

/** What to say of a registry that holds a name that is no UTF-8. */
export const brokenName = (key: string, name: string): string =>
  `${key}: holds ${name}, a name that is no UTF-8: it is left: remove it (SREM)`;

/** What to say of a list whose name can't be read. */
export const unreadableName = (key: string, name: string, reading: 'several' | 'none'): string =>
  reading === 'none'
    ? `${key}: no job type and pool can be read from its name; its entries are left`
    : `${key}: its name fits several job types and pools (${splitsOf(name)
        .map(({ type, pool }) => `type ${type} of pool ${pool}`)
        .join(
          ', ',
        )}); its entries and the counters of these types are left: add the right type to jobTypes, or requeue the entries`;
