/**
 * The job id of an entry or an observation, as Go and Node read it. `lua/includes/entry.lua` must find the same id without
 * decoding the JSON.
 */

/** The beginning of an entry of gocraft/work without escapes. */
const plain = /^\{"name":"[^"\\]*","id":"([^"\\]+)",/;
const periodic = '_job_kind_periodic_';

/**
 * The id of an entry's job; undefined if the entry is unreadable or has no id. The entry of a periodic execution has the id of
 * its policy, and the epoch in its args: the id of its job is `<policy>@<epoch>` (source: Harbor's jobservice).
 */
export const jobOf = (entry: string): string | undefined => {
  const id = plainIdOf(entry);
  if (id !== undefined) return id;
  try {
    const { id: entryId, args } = JSON.parse(entry);
    return jobIdOf(entryId, args);
  } catch {
    return undefined;
  }
};

/** Only if no later member can have the same name, also with escapes. */
const plainIdOf = (entry: string): string | undefined => {
  const found = plain.exec(entry);
  if (found === null || entry.includes(periodic)) return undefined;
  const rest = found[0].length - 1;
  return entry.includes('"id"', rest) || entry.includes('\\u006', rest) ? undefined : found[1];
};

/** The id of an observation's job. An observation has id and args in separate fields; `args` is JSON or empty. */
export const observedJobOf = (id: string, args: string): string | undefined => {
  try {
    return jobIdOf(id, args === '' ? undefined : JSON.parse(args));
  } catch {
    return jobIdOf(id, undefined);
  }
};

const jobIdOf = (id: unknown, args: { readonly [periodic]?: unknown } | null | undefined): string | undefined => {
  if (typeof id !== 'string' || id === '') return undefined;
  const epoch = epochOf(args?.[periodic]);
  return asTracked(epoch === undefined ? id : `${id}@${epoch}`);
};

/** Go reads a lone surrogate as U+FFFD, and a Node client writes it as such: the job is tracked under that id. */
const asTracked = (id: string): string => id.replace(/[\uD800-\uDFFF]/gu, '\uFFFD');

/** Harbor writes the epoch as a string. An integer is accepted too, anything else is not an epoch. */
const epochOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : Number.isSafeInteger(value) ? String(value) : undefined;
