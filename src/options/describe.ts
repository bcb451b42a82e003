import * as z from 'zod';
import { optionsSchema } from './schema.ts';
import type { OptionMeta } from './values.ts';

/** JSON Schema of an option, with the metadata of `OptionMeta`. */
export interface OptionSchema extends Partial<OptionMeta> {
  readonly type?: string;
  readonly maximum?: number;
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly items?: OptionSchema;
  readonly anyOf?: readonly OptionSchema[];
  readonly properties?: Readonly<Record<string, OptionSchema>>;
  readonly additionalProperties?: unknown;
  readonly required?: readonly string[];
  readonly default?: unknown;
}

/** One option that has no options below it, as the docs and the command show it. */
export interface OptionDescription {
  /** Such as `sweep.interval`. */
  readonly path: string;
  readonly schema: OptionSchema;
  readonly description: string;
  /** Its default as text; undefined for a required option. */
  readonly default: string | undefined;
  /** Set if the command, the environment and the config file know it. */
  readonly command: { readonly flag: string; readonly environment: string; readonly key: string } | undefined;
}

/** The schema of all options as JSON Schema. Values that JSON cannot hold allow everything. */
export const optionsAsJsonSchema = (): OptionSchema =>
  z.toJSONSchema(optionsSchema, { io: 'input', unrepresentable: 'any' }) as OptionSchema;

/** All options, in the order of the schema. */
export const describeOptions = (schema: OptionSchema = optionsAsJsonSchema()): readonly OptionDescription[] =>
  leavesOf(schema, []);

const leavesOf = (schema: OptionSchema, path: readonly string[]): OptionDescription[] =>
  Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const inner = propertiesOf(member);
    const own = inner === undefined || member.anyOf !== undefined ? [describe(member, [...path, name])] : [];
    return [...own, ...(inner === undefined ? [] : leavesOf({ properties: inner }, [...path, name]))];
  });

/** The options below an option: those of an object, or of the object that it may be. */
export const propertiesOf = ({ properties, anyOf }: OptionSchema): OptionSchema['properties'] =>
  properties ?? anyOf?.find((member) => member.properties !== undefined)?.properties;

const describe = (schema: OptionSchema, path: readonly string[]): OptionDescription => ({
  path: path.join('.'),
  schema,
  description: schema.description ?? '',
  default: schema.defaultText ?? (schema.default === undefined ? undefined : defaultOf(schema.default)),
  command: isForCommand(schema) ? commandNames(path, schema) : undefined,
});

const defaultOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Values that a text can hold have a hint, or are a flag. */
const isForCommand = ({ hint, type }: OptionSchema): boolean => hint !== undefined || type === 'boolean';

/** Secrets and certificates come from files; the config file names these too. */
const commandNames = (path: readonly string[], { hint }: OptionSchema) => {
  const key = hint === 'file' ? [...path.slice(0, -1), `${path.at(-1)}File`] : path;
  const words = key.flatMap((part) => part.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).split(' '));
  return { flag: `--${words.join('-')}`, environment: `REAPER_${words.join('_').toUpperCase()}`, key: key.join('.') };
};
