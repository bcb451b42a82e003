import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { commandOptions } from './options.ts';
import { UsageError } from './usage.ts';

/** A config file: nested options, and the level of the log. */
export interface ConfigFile {
  readonly path: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly logLevel: unknown;
}

/**
 * Reads a config file, YAML or JSON. Files that it names, such as `hooks.tls.caFile`, are read too, by paths relative to it.
 * @throws UsageError with file, line and column.
 */
export const readConfigFile = (path: string): ConfigFile => {
  const lines = new LineCounter();
  const document = parseDocument(readText(path, path), { lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new UsageError(`${path}:${line}:${col}: ${error.message.split('\n')[0]}`);
  }
  const parsed: unknown = document.toJS() ?? {};
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new UsageError(`${path}: must hold a map of options`);
  const { logLevel, ...options } = parsed as Record<string, unknown>;
  for (const { path: option, schema, command } of commandOptions()) {
    if (schema.hint !== 'file' || command === undefined) continue;
    const named = take(options, command.key.split('.'));
    if (named === undefined) continue;
    const label = `${path}: ${command.key}`;
    if (typeof named !== 'string') throw new UsageError(`${label}: must be the name of a file`);
    put(options, option.split('.'), readText(resolve(dirname(path), named), label));
  }
  return { path, options, logLevel };
};

/** @throws UsageError that names what the file is for, and why it cannot be read. */
export const readText = (path: string, label: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${label}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
};

type Nested = Record<string, unknown>;
const isNested = (value: unknown): value is Nested =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Removes a value, and returns it. */
const take = (object: Nested, [name = '', ...rest]: readonly string[]): unknown => {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  if (rest.length > 0) return isNested(value) ? take(value, rest) : undefined;
  delete object[name];
  return value;
};

/** Sets a value, and makes the objects on the way to it. */
export const put = (object: Nested, [name = '', ...rest]: readonly string[], value: unknown): void => {
  if (rest.length === 0) {
    object[name] = value;
    return;
  }
  const inner = object[name];
  const next = isNested(inner) ? inner : {};
  object[name] = next;
  put(next, rest, value);
};
