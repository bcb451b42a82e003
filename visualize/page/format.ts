/** A number with separators. */
export const count = (value: number): string => value.toLocaleString('en-GB');

/** The time of day; with the date unless it is today. */
export const clockTime = (ms: number): string => {
  const date = new Date(ms);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? date.toLocaleTimeString('en-GB') : date.toLocaleString('en-GB');
};

/** A time in unix s. Redis may hold a number that is not a valid date. */
export const dateTime = (seconds: number): string => {
  const date = new Date(seconds * 1_000);
  if (Number.isNaN(date.getTime())) return `second ${count(seconds)}`;
  return date.toISOString().replace('T', ' ').replace('.000Z', ' UTC');
};

/** An ISO time as people read it. */
export const isoText = (time: string): string => time.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC');

/** A duration in ms, in its two largest units. */
export const span = (ms: number): string => {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = Math.round(ms / 1_000);
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ] as const;
  const at = units.findIndex(([size]) => seconds >= size);
  const [[size, unit], next] = [units[at] ?? units[3], units[at + 1]];
  const rest = next === undefined ? 0 : Math.floor((seconds % size) / next[0]);
  return `${Math.floor(seconds / size)} ${unit}${rest === 0 || next === undefined ? '' : ` ${rest} ${next[1]}`}`;
};

export const ago = (then: number, now: number): string => (now - then < 1_000 ? 'just now' : `${span(now - then)} ago`);
export const inTime = (then: number, now: number): string => (then - now < 1_000 ? 'now' : `in ${span(then - now)}`);

/** The name of a state by its id: `job.tracking` → `tracking`. */
export const stateName = (id: string): string => id.split('.').slice(1).join('.') || id;
