import type * as z from 'zod';
import { type OptionIssue, OptionsError } from '../errors.ts';
import { masked } from './masked.ts';
import { adviceFor, renamedOptions } from './renamed.ts';

/**
 * Checks a value against a schema.
 * @param what the function that got it, for the message.
 * @throws OptionsError naming each key that cannot be used.
 */
export const read = <Schema extends z.ZodType>(what: string, schema: Schema, given: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new OptionsError(
    what,
    parsed.error.issues.flatMap((issue) => issuesOf(issue, given)),
  );
};

const issuesOf = (issue: z.core.$ZodIssue, given: unknown): OptionIssue[] => {
  const path = issue.path.map(String);
  // A value that fits no member of a union: the member that it was meant for says what is wrong.
  if (issue.code === 'invalid_union') {
    const nested = issue.errors.filter((errors) =>
      errors.some(({ path: inner, code }) => inner.length > 0 || code === 'unrecognized_keys'),
    );
    const best = nested[0];
    if (best !== undefined) {
      return best.flatMap((inner) => issuesOf({ ...inner, path: [...issue.path, ...inner.path] }, given));
    }
  }
  if (issue.code !== 'unrecognized_keys') return [{ path: shownPath(path), message: issue.message }];
  return issue.keys.map((key) => {
    const full = [...path, key].join('.');
    const renamed = Object.hasOwn(renamedOptions, full) ? renamedOptions[full] : undefined;
    return {
      path: shownPath([...path, key]),
      message: renamed === undefined ? 'unknown option' : adviceFor(renamed, valueAt(given, [...path, key])),
    };
  });
};

/** A key may be a URL. */
const shownPath = (path: readonly string[]): string => path.map(masked).join('.');

const valueAt = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
