/** The known names with which key names are parsed. */
export interface KnownNames {
  readonly types: ReadonlySet<string>;
  readonly pools: ReadonlySet<string>;
}

/** The job type and the pool of an in-progress list. */
export interface ListName {
  readonly type: string;
  readonly pool: string;
}

/** `several`: more than one pair of type and pool fits. `none`: named like an in-progress list, but no pair fits. */
export type ListReading = ListName | 'several' | 'none';

const suffix = ':inprogress';

/** The part of the name with type and pool; undefined for a name that is not an in-progress list's. */
const middleOf = (name: string): string | undefined => {
  const middle = name.endsWith(suffix) ? name.slice(0, -suffix.length) : '';
  return middle.includes(':') ? middle : undefined;
};

/**
 * Every pair of type and pool that the name of an in-progress list can be split into. Both may contain colons, so there is
 * one pair for each colon.
 * @param name the key without `<ns>jobs:`.
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
 * Parses the name of an in-progress list. It prefers a pair whose type and pool are both known, then one of which either is
 * known, then the only possible pair. Undefined for a name that is not an in-progress list's, such as the queue of a known
 * type.
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

/** Endings of the other keys of a type. */
const endings = { lock: ':lock', lockInfo: ':lock_info', cap: ':max_concurrency' } as const;

/**
 * The job type whose existence a key below `<ns>jobs:` proves, by its name and its Redis type. A list is a queue, unless it is
 * named like an in-progress list. A hash is a lock_info. A string is a lock or a cap. So a type may have the name of another
 * type's counter.
 */
export const typeProvenBy = (name: string, holds: string): string | undefined => {
  const before = (ending: string) =>
    name.endsWith(ending) && name.length > ending.length ? name.slice(0, -ending.length) : undefined;
  if (holds === 'list') return middleOf(name) === undefined && name !== '' ? name : undefined;
  if (holds === 'hash') return before(endings.lockInfo);
  if (holds === 'string') return before(endings.lock) ?? before(endings.cap);
  return undefined;
};

/** How many names a message lists. */
const maxNamed = 5;

/** Message for a lock_info that counts pools whose names are invalid UTF-8. */
export const brokenCounts = (key: string, pools: readonly string[]): string => {
  const named = pools.slice(0, maxNamed).join(', ');
  const more = pools.length > maxNamed ? ` and ${pools.length - maxNamed} more` : '';
  return `${key}: counts a pool whose name is invalid UTF-8 (${named}${more}); this key and the lock are not rebuilt: remove that field (HDEL)`;
};

/** Message for a set with a name that is invalid UTF-8. */
export const brokenName = (key: string, name: string): string =>
  `${key}: holds ${name}, a name that is invalid UTF-8, and is ignored: remove it (SREM)`;

/** Message for a list whose name cannot be parsed. */
export const unreadableName = (key: string, name: string, reading: 'several' | 'none'): string =>
  reading === 'none'
    ? `${key}: no job type and pool can be read from its name; its entries are left`
    : `${key}: its name fits several job types and pools (${splitsOf(name)
        .map(({ type, pool }) => `type ${type} of pool ${pool}`)
        .join(
          ', ',
        )}); its entries and the counters of these types are left: add the right type to jobTypes, or requeue the entries`;
