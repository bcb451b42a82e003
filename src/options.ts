import { z } from 'zod';
import { OptionsError } from './errors.ts';
import { refusedSettings } from './io/redis/givenSettings.ts';
import { parseRedisUrl } from './io/redis/url.ts';
import type { ReaperOptions } from './options/generated.ts';
import { read } from './options/read.ts';
import { inspectSchema, optionsSchema } from './options/schema.ts';
import { timer } from './options/values.ts';

export type { ReaperOptions };

/** Options with their defaults, as the reaper works with them: durations in ms. */
export type ReaperSettings = z.output<typeof optionsSchema>;

/** The types are generated: they must say exactly what the schema takes. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
true satisfies Same<ReaperOptions, z.input<typeof optionsSchema>>;

/**
 * Checks options, and fills in the defaults.
 * @throws OptionsError naming each option that cannot be used.
 */
export const readOptions = (options: ReaperOptions): ReaperSettings => {
  const settings = read('createReaper', optionsSchema, options);
  const refused = refusedRedis(settings.redis);
  if (refused !== undefined) throw new OptionsError('createReaper', [{ path: '', message: refused }]);
  return settings;
};

/** Why this Redis cannot be used. Messages name no user and no password. */
const refusedRedis = (redis: ReaperSettings['redis']): string | undefined => {
  if (typeof redis === 'object') return refusedSettings(redis);
  try {
    parseRedisUrl(redis);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

/** Options of an inspector that is mounted in a server of the caller's. */
export type InspectorOptions = Pick<z.input<typeof inspectSchema>, 'token' | 'allowedHosts' | 'control' | 'stately'>;

/** @throws OptionsError naming each option that cannot be used. */
export const readInspectorOptions = (options: InspectorOptions): Exclude<ReaperSettings['inspect'], false> => ({
  ...read('createInspector', inspectSchema.omit({ host: true, port: true, announce: true }), options),
  host: '127.0.0.1',
});

/** A member of a filter: left out, or a text. `undefined` is refused, because it would mean everything. */
const member = () => z.string().min(1, { error: 'must not be empty' }).exactOptional();
const time = () =>
  z
    .union([z.date(), z.iso.datetime({ offset: true })], { error: 'must be a Date or an ISO 8601 time' })
    .transform((given) => new Date(given))
    .exactOptional();
/** Both numbers of an id have 64 bits. */
const isEntryId = (text: string): boolean =>
  /^\d{1,20}-\d{1,20}$/.test(text) && text.split('-').every((number) => BigInt(number) < 2n ** 64n);
const callback = () =>
  z.custom<(record: never) => void>((value) => typeof value === 'function', { error: 'must be a function' }).optional();
const signal = () =>
  z.custom<AbortSignal>((value) => value instanceof AbortSignal, { error: 'must be an AbortSignal' }).optional();

/** Arguments of the methods of a reaper. */
const argumentSchemas = {
  sweep: z.strictObject({ plan: z.boolean().optional(), signal: signal() }),
  rescue: z.strictObject({ plan: z.boolean().optional(), grace: timer().optional(), signal: signal() }),
  stop: z.strictObject({ timeout: timer().optional() }),
  events: z.strictObject({ signal: signal() }),
  hookFilter: z.strictObject({
    id: member(),
    endpoint: member(),
    reason: member(),
    state: z.enum(['pending', 'sending', 'parked']).exactOptional(),
  }),
  hookMove: z.strictObject({ plan: z.boolean().optional(), onRecord: callback() }),
  auditFilter: z.strictObject({
    ...{ id: member(), pool: member(), who: member() },
    ...{ since: time(), until: time() },
    limit: z.number().int().min(1).exactOptional(),
  }),
  undo: z.strictObject({ plan: z.boolean().optional() }),
  undoEntries: z.strictObject({
    entries: z.array(
      z.string().refine(isEntryId, { error: 'must be the id of an entry, such as 1790000000000-0: see reaper audit' }),
    ),
  }),
  quarantineFilter: z.strictObject({ id: member(), type: member() }),
  quarantineMove: z.strictObject({ plan: z.boolean().optional(), onRecord: callback() }),
};
type ArgumentSchemas = typeof argumentSchemas;

/** @throws OptionsError naming each argument that cannot be used. */
export const readArguments = <Method extends keyof ArgumentSchemas>(
  method: Method,
  given: unknown = {},
): z.output<ArgumentSchemas[Method]> =>
  read(method, argumentSchemas[method], given) as z.output<ArgumentSchemas[Method]>;
