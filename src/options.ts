import * as z from 'zod';
import { OptionsError } from './errors.ts';
import { refusedSettings } from './io/redis/givenSettings.ts';
import { parseRedisUrl } from './io/redis/url.ts';
import { actingVerdicts } from './machines/types/scope.ts';
import type { Reason } from './machines/verdict.ts';
import type { ReaperOptions } from './options/generated.ts';
import type { InspectorOptions } from './options/inspector.ts';
import { needPackage } from './options/optionalPackages.ts';
import { plannedChange } from './options/plannedChange.ts';
import { read } from './options/read.ts';
import { type Reloadable, type ReloadableOptions, reloadablePaths } from './options/reloadable.ts';
import { inspectSchema, optionsSchema } from './options/schema.ts';
import { timer } from './options/values.ts';

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
  // Messages about an object name the member of it.
  const path = typeof settings.redis === 'string' ? 'redis' : '';
  if (refused !== undefined) throw new OptionsError('createReaper', [{ path, message: refused }]);
  if (settings.inspect !== false) needRelay('createReaper', 'inspect.stately', settings.inspect.stately);
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

const { sweep, rescue, hooks } = optionsSchema.shape;
const groupsSchema = z.strictObject({ sweep, rescue, hooks });

/**
 * The groups of options after a change. What is not given stays as it is.
 * @throws OptionsError naming each option that cannot be used, or that cannot change while the reaper runs.
 */
export const readReload = (
  present: ReaperSettings,
  options: ReloadableOptions,
): Pick<ReaperSettings, keyof Reloadable> => {
  const members = z.record(z.string(), z.unknown()).optional();
  const given = read('reload', z.strictObject({ sweep: members, rescue: members, hooks: members }), options);
  const groups = Object.entries(given).map(([group, values]) => {
    const set = Object.entries(values ?? {}).filter(([, value]) => value !== undefined);
    return [group, Object.fromEntries(set)] as const;
  });
  const fixed = groups.flatMap(([group, values]) =>
    Object.keys(values)
      .map((name) => `${group}.${name}`)
      .filter((path) => !reloadablePaths.includes(path)),
  );
  if (fixed.length > 0) {
    const issues = fixed.map((path) => ({ path, message: 'cannot change while the reaper runs' }));
    throw new OptionsError('reload', issues);
  }
  const { sweep, rescue, hooks } = present;
  const changed = Object.fromEntries(
    Object.entries({ sweep, rescue, hooks }).map(([group, values]) => [
      group,
      { ...values, ...groups.find(([name]) => name === group)?.[1] },
    ]),
  );
  return read('reload', groupsSchema, changed);
};

/** @throws OptionsError naming each option that cannot be used. */
export const readInspectorOptions = (options: InspectorOptions): Exclude<ReaperSettings['inspect'], false> => {
  const given = read('createInspector', inspectSchema.omit({ host: true, port: true, announce: true }), options);
  needRelay('createInspector', 'stately', given.stately);
  return { ...given, host: '127.0.0.1' };
};

/** The events for a relay of Stately's inspector are made by its package. */
const needRelay = (what: string, path: string, url: string | undefined): void => {
  if (url !== undefined) needPackage(what, path, '@statelyai/inspect');
};

/** A name in a filter. Half a surrogate pair would become U+FFFD on the way to Redis, and the name that of something else. */
const name = () =>
  z
    .string()
    .min(1, { error: 'must not be empty' })
    .regex(/^\P{Cs}*$/u, { error: 'has half of a surrogate pair, so it is no name in Redis' });
/** A member of a filter: left out, or a text. `undefined` is refused, because it would mean everything. */
const member = () => name().exactOptional();
/** A list of a filter: left out, or not empty. */
const chosen = <Item extends z.ZodType>(list: z.ZodArray<Item>) =>
  list.min(1, { error: 'must not be empty' }).exactOptional();
const members = () => chosen(z.array(name()));
/** An act of a plan. */
const act = () =>
  z.strictObject({
    id: z.string(),
    verdict: z.enum(actingVerdicts),
    reason: z.custom<Reason>((reason) => typeof reason === 'string', { error: 'must be the reason of a verdict' }),
    fingerprint: z.string().min(1, { error: 'must not be empty' }),
  });
const time = () =>
  z
    .union([z.date(), z.iso.datetime({ offset: true })], { error: 'must be a Date or an ISO 8601 time' })
    .transform((given) => new Date(given))
    .exactOptional();
/** Both numbers of an id have 64 bits. */
export const isEntryId = (text: string): boolean =>
  /^\d{1,20}-\d{1,20}$/.test(text) && text.split('-').every((number) => BigInt(number) < 2n ** 64n);
const callback = () =>
  z.custom<(record: never) => void>((value) => typeof value === 'function', { error: 'must be a function' }).optional();
const signal = () =>
  z.custom<AbortSignal>((value) => value instanceof AbortSignal, { error: 'must be an AbortSignal' }).optional();

/** Arguments of the methods of a reaper. */
const argumentSchemas = {
  sweep: z
    .strictObject({
      plan: z.boolean().optional(),
      ...{ ids: members(), types: members(), verdicts: chosen(z.array(z.enum(actingVerdicts))) },
      limit: z.number().int().min(1).exactOptional(),
      acts: z.array(act()).exactOptional(),
      signal: signal(),
    })
    .refine(({ acts, ids, types, verdicts, limit }) => acts === undefined || !(ids ?? types ?? verdicts ?? limit), {
      path: ['acts'],
      error: 'names the jobs itself: leave out ids, types, verdicts and limit',
    }),
  rescue: z
    .strictObject({
      plan: z.boolean().optional(),
      grace: timer().optional(),
      pools: members(),
      acts: z.array(plannedChange).exactOptional(),
      signal: signal(),
    })
    .refine(({ acts, pools, plan }) => acts === undefined || !(pools ?? (plan || undefined)), {
      path: ['acts'],
      error: 'names the pools itself: leave out pools and plan',
    }),
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
/** The arguments of a method, after they were checked. */
export type Arguments<Method extends keyof ArgumentSchemas> = z.output<ArgumentSchemas[Method]>;

/** @throws OptionsError naming each argument that cannot be used. */
export const readArguments = <Method extends keyof ArgumentSchemas>(
  method: Method,
  given: unknown = {},
): z.output<ArgumentSchemas[Method]> =>
  read(method, argumentSchemas[method], given) as z.output<ArgumentSchemas[Method]>;
