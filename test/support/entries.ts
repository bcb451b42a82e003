/**
 * Whose job an entry, or an observation, is, as Go and Node read them: the same that `lua/includes/entry.lua` reads without
 * decoding anything.
 */

/** What a producer of gocraft/work writes first, where nothing needs unescaping. */
const plain = /^\{"name":"[^"\\]*","id":"([^"\\]+)",/;
const periodic = '_job_kind_periodic_';

/**
 * The id of the job whose queue entry this is, or undefined where the entry can't be read or has none. The entry of a
 * periodic execution has its policy's id, and the epoch in its args: its job is `<policy>@<epoch>` (source: Harbor's
 * jobservice).
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

/** Only where no later member can have the name again, be it written with escapes. */
const plainIdOf = (entry: string): string | undefined => {
  const found = plain.exec(entry);
  if (found === null || entry.includes(periodic)) return undefined;
  const rest = found[0].length - 1;
  return entry.includes('"id"', rest) || entry.includes('\\u006', rest) ? undefined : found[1];
};

/** The same of an observation, which has id and args apart; `args` is JSON, or empty. */
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

/** Go reads a lone surrogate as U+FFFD, and a Node client writes it so: that is how the job is tracked. */
const asTracked = (id: string): string => id.replace(/[\uD800-\uDFFF]/gu, '\uFFFD');

/** Harbor writes a string; a whole number is read as Go writes it. Anything else is no epoch. */
const epochOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : Number.isSafeInteger(value) ? String(value) : undefined;
