import { InvalidArgumentError } from 'commander';
import { span, timer } from '../options/values.ts';
import { notFound } from './exitCodes.ts';
import { complain } from './text.ts';

/** An empty value of a filter would mean everything. */
export const nonEmpty = (text: string): string => {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
};

/** One of several values of a filter. */
export const addNonEmpty = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  nonEmpty(text),
];

/** A whole number above 0. */
export const positive = (text: string): number => {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number above 0.');
};

/** Checks a duration that is an argument of a method, not an option. */
export const duration = (text: string): number => parsedBy(timer(), text);

/** An age: no timer waits for it, so it may be longer. */
export const age = (text: string): number => parsedBy(span(), text);

const parsedBy = (schema: ReturnType<typeof timer>, text: string): number => {
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(parsed.error.issues.map(({ message }) => `It ${message}.`).join(' '));
};

/** `HOST:PORT`, `HOST` or `PORT`. An IPv6 address needs brackets. */
export const address = (text: string): { host: string; port?: number } => {
  const url = `tcp://${/^\d+$/.test(text) ? `127.0.0.1:${text}` : text}`;
  const { hostname = '', port = '', href = '' } = URL.canParse(url) ? new URL(url) : {};
  // Nothing else may be in it, such as a user.
  if (hostname === '' || href !== `tcp://${hostname}${port === '' ? '' : `:${port}`}`)
    throw new InvalidArgumentError('It must be HOST:PORT, such as 127.0.0.1:7331.');
  return { host: hostname.replace(/^\[|\]$/g, ''), ...(port === '' ? {} : { port: Number(port) }) };
};

/**
 * Reports a filter that matched nothing. Exit code 4 if it named a job, because that one is not there; a set may be empty.
 * @param list the command that shows what there is.
 */
export const reportNone = (
  count: number,
  filter: Readonly<Record<string, string | undefined>>,
  list: string,
): number => {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  if (count > 0 || given.length === 0) return 0;
  const named = given.map(([name, value]) => `--${name} ${value}`).join(' ');
  complain(`reaper: nothing matches ${named}; nothing was changed. See: ${list}`);
  return filter.id === undefined ? 0 : notFound;
};
