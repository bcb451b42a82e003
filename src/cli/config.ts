import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { createReaper, type Logger, OptionsError, type Reaper, type ReaperOptions } from '../index.ts';
import type { OptionDescription, OptionSchema } from '../options/describe.ts';
import { masked } from '../options/masked.ts';
import { type ReaperSettings, readOptions } from '../options.ts';
import type { address } from './arguments.ts';
import { type ConfigFile, placeIn, put, readConfigFile, readText } from './configFile.ts';
import { createLog, logLevels } from './log.ts';
import { commandOptions, defaultRedis } from './options.ts';
import { UsageError } from './usage.ts';

/** Where the value of an option comes from: a flag, an environment variable or the config file. */
export interface ConfiguredOption {
  readonly path: string;
  /** Its value, masked; the name of a file instead of what it holds; a secret is left out. */
  readonly value: unknown;
  /** `--sweep-interval`, `REAPER_SWEEP_INTERVAL`, the name of the file, or `default`. */
  readonly source: string;
  /** Its line in the config file. */
  readonly line?: number;
}

/** The options of one run of the command. A flag wins over the environment, that over the config file. */
export interface Config {
  readonly options: Readonly<Record<string, unknown>>;
  readonly logLevel: string | undefined;
  /** All options that are set, in the order of the docs. */
  readonly configured: readonly ConfiguredOption[];
  /** The config file, if there is one. */
  readonly file: ConfigFile | undefined;
}

/**
 * Collects the options of a command.
 * @throws UsageError for a value that no option can have, with its source.
 */
export const configOf = (command: Command, environment: NodeJS.ProcessEnv = process.env): Config => {
  const flags = command.opts<Record<string, unknown>>();
  const file = fileOf(flags.config ?? environment.REAPER_CONFIG);
  const options = structuredClone(file?.options ?? {}) as Record<string, unknown>;
  const configured: ConfiguredOption[] = [];
  for (const description of commandOptions()) {
    const given = givenTo(description, flags, environment) ?? givenIn(description, file);
    if (given === undefined) continue;
    const { path, schema } = description;
    const value = schema.secret ? undefined : maskedValue(shownOf(given, description, file));
    if ('text' in given) put(options, path.split('.'), parsedValue(schema, given.text, labelOf(given.source, value)));
    configured.push({ path, value, source: given.source, ...lineIn(file, given.source, path) });
  }
  const log = logLevelOf(flags, environment, file);
  if (log !== undefined) configured.push({ path: 'logLevel', ...log, ...lineIn(file, log.source, 'logLevel') });
  return {
    options,
    configured,
    file,
    logLevel: log?.value,
  };
};

/** What is shown of a value. A PEM text may hold a private key beside the certificate, so it is never shown. */
const shownOf = (given: Given, { path, schema }: OptionDescription, file: ConfigFile | undefined): unknown => {
  if ('text' in given) return given.text;
  return schema.hint === 'file' ? file?.named.get(path) : given.value;
};

/** The line of an option that comes from the file. */
const lineIn = (file: ConfigFile | undefined, source: string, path: string): { readonly line?: number } => {
  const line = source === file?.path ? file?.locate(path)?.line : undefined;
  return line === undefined ? {} : { line };
};

const fileOf = (path: unknown): ConfigFile | undefined =>
  typeof path === 'string' && path !== '' ? readConfigFile(path) : undefined;

type Given = { readonly source: string } & ({ readonly text: string } | { readonly value: unknown });

/** What a flag or the environment gives for an option. An empty variable counts as not set. */
const givenTo = (
  { command, schema }: OptionDescription,
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
): Given | undefined => {
  const { flag = '', environment: variable = '' } = command ?? {};
  const value = flags[attributeOf(flag)];
  if (value !== undefined) return { text: String(value), source: flag };
  return givenByVariable(variable, schema.secret === true, environment);
};

/** A secret may be in a file that a variable with `_FILE` at its end names. A line end at its end is left out. */
const givenByVariable = (variable: string, isSecret: boolean, environment: NodeJS.ProcessEnv): Given | undefined => {
  const text = environment[variable];
  const fileVariable = `${variable}_FILE`;
  const file = isSecret ? environment[fileVariable] : undefined;
  if (!file) return text ? { text, source: variable } : undefined;
  if (text) throw new UsageError(`${variable} and ${fileVariable}: only one of them can be set`);
  return { text: readText(file, `${fileVariable} '${file}'`).replace(/\r?\n$/, ''), source: fileVariable };
};

/** The name under which Commander has the value of a flag. */
const attributeOf = (flag: string): string =>
  flag.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

const givenIn = ({ path }: OptionDescription, file: ConfigFile | undefined): Given | undefined => {
  const value = path
    .split('.')
    .reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], file?.options);
  return value === undefined || file === undefined ? undefined : { value, source: file.path };
};

/** A text as the schema takes it. A text that fits no kind of value is left for the schema to refuse. */
const parsedValue = (schema: OptionSchema, text: string, label: string): unknown => {
  if (schema.hint === 'file') return readText(text, label);
  if (schema.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (schema.type === 'array') return listOf(text);
  if (schema.type === 'object') return recordOf(text, label);
  const isNumber = schema.type === 'integer' || schema.type === 'number';
  return isNumber && /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
};

/** A flag or variable with its value, masked; a secret has no value. */
const labelOf = (source: string, value: unknown): string =>
  value === undefined ? source : `${source} '${masked(String(value))}'`;

/** A value whose texts are masked. */
const maskedValue = (value: unknown): unknown => {
  if (typeof value === 'string') return masked(value);
  if (Array.isArray(value)) return value.map(maskedValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, maskedValue(each)]));
};

/** The texts between commas, without empty ones. */
const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

const recordOf = (text: string, label: string): Record<string, string> =>
  Object.fromEntries(
    listOf(text).map((pair) => {
      const [name, value, ...more] = pair.split('=');
      if (name === undefined || value === undefined || more.length > 0) {
        throw new UsageError(`${label}: must be NAME=VALUE, several with commas between`);
      }
      return [name, value];
    }),
  );

const logLevelOf = (
  flags: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
  file: ConfigFile | undefined,
): (Pick<ConfiguredOption, 'source'> & { readonly value: string }) | undefined => {
  const [source = '', value] =
    [
      ['--log-level', flags.logLevel] as const,
      ['REAPER_LOG_LEVEL', environment.REAPER_LOG_LEVEL || undefined] as const,
      [file?.path, file?.logLevel] as const,
    ].find(([, given]) => given !== undefined) ?? [];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && logLevels.includes(value)) return { source, value };
  const label = source === file?.path ? `${placeIn(source, file.locate('logLevel'))}: logLevel` : source;
  throw new UsageError(`${labelOf(label, value)}: must be one of ${logLevels.join(', ')}`);
};

/** Options that a command sets for its reaper. They override the user's options. */
export interface ReaperDefaults {
  readonly options?: Partial<ReaperOptions>;
}

/**
 * Creates the reaper of a command.
 * @throws UsageError naming each option that cannot be used, by its flag, environment variable or file.
 */
export const reaperOf = (
  config: Config,
  { options = {} }: ReaperDefaults = {},
  logger: Logger = createLog(config.logLevel ?? 'warn'),
): Reaper => checked(config, options, (given) => createReaper({ ...given, logger }));

/**
 * The settings of the reaper of a command.
 * @throws UsageError naming each option that cannot be used, by its flag, environment variable or file.
 */
export const settingsOf = (config: Config, { options = {} }: ReaperDefaults = {}): ReaperSettings =>
  checked(config, options, readOptions);

const checked = <T>(config: Config, own: Partial<ReaperOptions>, use: (options: ReaperOptions) => T): T => {
  // Commands that open a server say so: a config file may be that of a running reaper.
  const { inspect: _, http: __, ...options } = config.options;
  try {
    return use({
      redis: defaultRedis,
      ...options,
      audit: withOperator(options.audit),
      ...merged(options, own),
    } as unknown as ReaperOptions);
  } catch (error) {
    if (error instanceof OptionsError) throw new UsageError(withSources(error, config));
    throw error;
  }
};

/** Options of the audit stream, which names the user unless they name another person. A wrong value is left to the schema. */
const withOperator = (audit: unknown): unknown =>
  audit === undefined || (typeof audit === 'object' && audit !== null) ? { operator: userName(), ...audit } : audit;

/** Who runs the command, through sudo too; undefined for a user without a name, as in a container. */
const userName = (): string | undefined => {
  if (process.env.SUDO_USER) return process.env.SUDO_USER;
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
};

/** The command's own options, with those of the user that they leave open. */
const merged = (options: Readonly<Record<string, unknown>>, own: Partial<ReaperOptions>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(own).map(([name, value]) => [
      name,
      name === 'sweep' ? { ...(options[name] as object | undefined), ...(value as object) } : value,
    ]),
  );

const noNamespace =
  "No namespace: give --namespace, REAPER_NAMESPACE or a config file. Harbor's is '{harbor_job_service_namespace}', with the braces.";

/** Names each option as the user has given it. */
const withSources = ({ issues }: OptionsError, { configured, file }: Config): string =>
  issues
    .map(({ path, message }) => {
      if (path === 'namespace') return noNamespace;
      const given = configured.filter((one) => isAbout(path, one.path));
      if (given.some(({ source }) => source !== file?.path))
        return `${given.map((one) => givenAs(one, file)).join(' and ')}: ${message}`;
      const at = file?.locate(path);
      return `${file === undefined || at === undefined ? '' : `${placeIn(file.path, at)}: `}${path === '' ? '' : `${path}: `}${message}`;
    })
    .join('; ');

/** Whether an issue is about an option: it is the option, a part of it, or the group of options that it belongs to. */
const isAbout = (issue: string, option: string): boolean =>
  issue === option || issue.startsWith(`${option}.`) || (issue !== '' && option.startsWith(`${issue}.`));

/** An option as the user has given it. */
const givenAs = ({ path, source, value }: ConfiguredOption, file: ConfigFile | undefined): string =>
  source === file?.path ? `${placeIn(source, file.locate(path))}: ${path}` : labelOf(source, value);

/** Options of the HTTP server of `run`: the address that its flag gives, else that of the environment and the config file. */
export const httpOf = (
  { options }: Config,
  where: ReturnType<typeof address> | undefined,
): NonNullable<ReaperOptions['http']> => {
  const given = typeof options.http === 'object' ? options.http : undefined;
  return where === undefined && given === undefined ? false : { ...given, ...where };
};

/** Options of the inspector that a command opens at this address. */
export const inspectorOf = (
  { options }: Config,
  where: ReturnType<typeof address> | true | undefined,
): Exclude<ReaperOptions['inspect'], boolean | undefined> => ({
  ...(typeof options.inspect === 'object' ? options.inspect : {}),
  ...(typeof where === 'object' ? where : {}),
});
