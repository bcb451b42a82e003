/** An ISO 8601 time in UTC. A number that is not a date is shown as `unix SECONDS`: Redis can hold any number. */
export const isoTime = (ms: number): string => {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `unix ${ms / 1_000}` : date.toISOString();
};

/** The same of unix seconds, which is how times are kept in Redis. */
export const isoOfSecond = (second: number): string => isoTime(1_000 * second);

/** The same, where there may be no time. */
export const isoTimeOrNone = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : isoTime(ms);

/** The ms of a text of `isoTime`; undefined if it is no date. */
export const msOfIso = (text: string | undefined): number | undefined =>
  text !== undefined && /^[+-]?\d+-\d\d-\d\dT/.test(text) ? Date.parse(text) : undefined;
