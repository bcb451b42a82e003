import ms, { type StringValue } from 'ms';
import * as z from 'zod';
import { longestTimer } from '../io/clock.ts';
import { areCertificates } from './certificates.ts';
import type { Duration, DurationText } from './duration.ts';

/** The longest span that is a whole number of milliseconds. */
export const longestSpan = Number.MAX_SAFE_INTEGER;

/** What the docs, the command and the generated types need to know of an option beside its schema. */
export interface OptionMeta {
  readonly description: string;
  /** Its TypeScript type, where the schema does not say it. */
  readonly tsType?: string;
  /** Placeholder in the command's help. Options without one are not options of the command. */
  readonly hint?: string;
  /** Holds a secret: never shown. */
  readonly secret?: boolean;
  /** Default in words, where there is no value. */
  readonly defaultText?: string;
  readonly [jsonSchema: string]: unknown;
}

/** An option with its description. The description is shown on hover, in the docs and in the command's help. */
export const option = <Schema extends z.ZodType>(
  schema: Schema,
  description: string,
  meta: Omit<OptionMeta, 'description'> = {},
): Schema => schema.meta({ ...schema.meta(), ...meta, description }) as Schema;

const durationText = "must be a duration such as '24h', '15s' or '500ms', or a whole number of milliseconds";

/**
 * Milliseconds of a duration, or what is wrong with it. A string needs a unit: in version 0.1.0 some flags took seconds and
 * others milliseconds, so a bare number in a string could be meant as either. Only `'0'` is clear without one.
 */
export const parseDuration = (value: unknown): number | { readonly error: string } => {
  if (typeof value === 'number') return Number.isInteger(value) ? value : { error: durationText };
  if (typeof value !== 'string') return { error: durationText };
  if (value.trim() === '0') return 0;
  if (/^[\d.]+$/.test(value)) return { error: `must have a unit: write '${value}s', '${value}ms' or another one` };
  const parsed = value.length > 0 && value.length <= 100 ? ms(value as StringValue) : undefined;
  return parsed !== undefined && Number.isInteger(parsed) ? parsed : { error: durationText };
};

/** Writes milliseconds as people do: `24h`, `7d`, `5m`, `15s`, `500ms`. */
export const durationTextOf = (value: number): DurationText => {
  const units = [
    ['d', 86_400_000, 2],
    ['h', 3_600_000, 1],
    ['m', 60_000, 2],
    ['s', 1_000, 1],
  ] as const;
  for (const [unit, length, least] of units) {
    if (value % length === 0 && value / length >= least) return `${value / length}${unit}`;
  }
  return value === 0 ? '0s' : `${value}ms`;
};

const durationMeta = (min: number, max: number) => ({
  tsType: 'Duration',
  hint: 'duration',
  anyOf: [
    { type: 'integer', minimum: min, maximum: max },
    { type: 'string', pattern: '^(0|\\d*\\.?\\d+ ?[A-Za-z]+)$', examples: ['24h', '15s', '500ms'] },
  ],
});

/** Reports what is wrong with a duration; else gives its milliseconds. */
const checkDuration = (value: unknown, min: number, max: number): number | { readonly error: string } => {
  const parsed = parseDuration(value);
  if (typeof parsed === 'object') return parsed;
  if (parsed < min) return { error: `must be at least ${durationTextOf(min)}` };
  if (parsed > max) return { error: `must be at most ${max} ms` };
  return parsed;
};

const duration = (min: number, max: number) =>
  z
    .custom<Duration>(() => true)
    .transform((value, context) => {
      const parsed = checkDuration(value, min, max);
      if (typeof parsed === 'number') return parsed;
      context.addIssue({ code: 'custom', message: parsed.error });
      return z.NEVER;
    })
    .meta(durationMeta(min, max));

/** A duration that a timer waits for: at most 24 days, the longest timer of Node. */
export const timer = (min = 0) => duration(min, longestTimer);
/** A duration that times are compared with. */
export const span = (min = 0, max = longestSpan) => duration(min, max);

/** Durations by job type. A custom schema, because a type may be named `__proto__`, which records of zod leave out. */
export const spanByType = () =>
  z
    .custom<Readonly<Record<string, Duration>>>(isPlainRecord, { error: 'must be an object: job type → duration' })
    .transform((record, context): Readonly<Record<string, number>> => {
      const parsed = Object.entries(record).map(
        ([type, value]) => [type, checkDuration(value, 0, longestSpan)] as const,
      );
      for (const [type, result] of parsed) {
        if (typeof result === 'object') context.addIssue({ code: 'custom', path: [type], message: result.error });
      }
      return Object.fromEntries(parsed.filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
    })
    .meta({
      tsType: 'Readonly<Record<string, Duration>>',
      hint: 'type=duration,…',
      type: 'object',
      additionalProperties: { anyOf: durationMeta(0, longestSpan).anyOf },
    });

/** Whole numbers above 0 by name. A custom schema, as above. */
export const countsByName = () =>
  z.custom<Readonly<Record<string, number>>>(
    (value) =>
      isPlainRecord(value) && Object.values(value as object).every((each) => Number.isSafeInteger(each) && each > 0),
    { error: 'must be an object: name → whole number above 0' },
  );

export const isPlainRecord = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const count = (max: number) => z.number().int().min(1).max(max).meta({ hint: 'n' });
export const text = (hint = 'text') => z.string().min(1, { error: 'must not be empty' }).meta({ hint });
export const texts = (hint: string) => z.array(z.string().min(1)).meta({ hint });

/** An http or https URL without parts that would be left out of a request, or shown as the option although they may be secret. */
const plainUrl = (value: unknown): URL | undefined => {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return undefined;
  const { username, password, search, hash } = url;
  return username + password + search + hash === '' ? url : undefined;
};
const isOrigin = (value: unknown): boolean => plainUrl(value)?.pathname === '/';

const originText = 'must be an origin such as https://core.example, without user, path and query';
export const origins = () => z.array(z.string().refine(isOrigin, { error: originText })).meta({ hint: 'origin,…' });

/** URLs by origin. A custom schema, because the errors of a record say nothing of a key. */
export const originsByOrigin = () =>
  z
    .custom<Readonly<Record<string, string>>>(isPlainRecord, { error: 'must be an object: old origin → new origin' })
    .superRefine((record, context) => {
      for (const [from, to] of Object.entries(record)) {
        const add = (message: string) => context.addIssue({ code: 'custom', path: [from], message });
        if (!isOrigin(from)) add(`the old origin ${originText}`);
        if (plainUrl(to) === undefined) add('the new origin must be an http or https URL without user and query');
      }
    })
    .meta({
      hint: 'from=to,…',
      tsType: 'Readonly<Record<string, string>>',
      type: 'object',
      additionalProperties: { type: 'string', format: 'uri' },
    });

export const pem = () => z.string().regex(/-----BEGIN /, { error: 'must be a PEM text', abort: true });
export const authorities = () =>
  pem().refine(areCertificates, { error: 'must hold certificates, each part of it whole' });

/** A value that is checked by the methods that it must have. */
export const having = <T>(tsType: string, what: string, ...methods: string[]) =>
  z
    .custom<T>((value) => methods.every((name) => typeof (value as Record<string, unknown>)?.[name] === 'function'), {
      error: `must be ${what} (with ${methods.join(', ')})`,
    })
    .meta({ tsType });

export const functionOf = <T>(tsType: string) =>
  z.custom<T>((value) => typeof value === 'function', { error: 'must be a function' }).meta({ tsType });
