import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { commandOptions } from './options.ts';
import { UsageError } from './usage.ts';

/** A config file: nested options, and the level of the log. */
export interface ConfigFile {
  readonly path: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly logLevel: unknown;
  /** Options whose texts are in files of their own, and the names of these as the config file gives them. */
  readonly named: ReadonlyMap<string, string>;
  /**
   * Where an option stands in the file; undefined if it is not there. Of an option that the file does not have itself, the
   * nearest one around it.
   *
   * @param option such as `sweep.interval`
   */
  locate(option: string): Position | undefined;
}

/** From 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/**
 * Reads a config file, YAML or JSON. Files that it names, such as `hooks.tls.caFile`, are read too, by paths relative to it.
 * @throws UsageError with file, line and column.
 */
export const readConfigFile = (path: string): ConfigFile => {
  const lines = new LineCounter();
  const document = parseDocument(readText(path, path), { lineCounter: lines });
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const [error] = document.errors;
  if (error !== undefined) {
    throw new UsageError(`${placeIn(path, positionOf(error.pos[0]))}: ${reasonOf(error)}`);
  }
  const odd = oddKeyIn(document);
  if (odd !== undefined) throw new UsageError(`${placeIn(path, positionOf(odd))}: a key must be a text`);
  const parsed = mapOf(document, path);
  const locate = (option: string) => {
    const offset = offsetOf(document, keyOf(option).split('.'));
    return offset === undefined ? undefined : positionOf(offset);
  };
  const { logLevel, ...options } = parsed;
  const files = new Map<string, string>();
  for (const { path: option, schema, command } of commandOptions()) {
    if (schema.hint !== 'file' || command === undefined) continue;
    const named = take(options, command.key.split('.'));
    if (named === undefined) continue;
    const label = `${placeIn(path, locate(option))}: ${command.key}`;
    if (typeof named !== 'string') throw new UsageError(`${label}: must be the name of a file`);
    files.set(option, named);
    put(options, option.split('.'), readText(resolve(dirname(path), named), label));
  }
  return { path, options, logLevel, named: files, locate };
};

/** `FILE:LINE:COLUMN`, or the file alone. */
export const placeIn = (file: string, at: Position | undefined): string =>
  at === undefined ? file : `${file}:${at.line}:${at.column}`;

/** What is wrong with a file, without what the parser quotes of it: that may be a password. */
const reasonOf = ({ code, message }: Error & { readonly code?: string }): string =>
  code === 'TAG_RESOLVE_FAILED'
    ? 'a tag cannot be resolved'
    : message.replace(/(?:(?<=\S): |(?<=escape sequence) | at line \d|\n).*/s, '');

/** Where the first key begins that is a list, a map or bytes. The parser would warn of it on stderr, in the words of the file. */
const oddKeyIn = (document: Document.Parsed): number | undefined => {
  let offset: number | undefined;
  visit(document, {
    Pair(_, { key }) {
      if (isScalar(key) && (typeof key.value !== 'object' || key.value === null)) return undefined;
      offset = (key as Node | null)?.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
};

/** @throws UsageError unless the file holds a map, or nothing. */
const mapOf = (document: Document.Parsed, path: string): Record<string, unknown> => {
  let value: unknown;
  try {
    value = document.toJS() ?? {};
  } catch (error) {
    // Such as an alias of an anchor that there is not.
    throw new UsageError(`${path}: ${reasonOf(error as Error)}`);
  }
  if (isNested(value)) return value;
  throw new UsageError(`${placeIn(path, { line: 1, column: 1 })}: must hold a map of options`);
};

/** The key of an option in the file: that of a certificate names a file. */
const keyOf = (option: string): string => commandOptions().find(({ path }) => path === option)?.command?.key ?? option;

/** Where the last of these keys begins that there is. */
const offsetOf = (document: Document.Parsed, keys: readonly string[]): number | undefined => {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const key of keys) {
    if (isAlias(node)) node = node.resolve(document);
    if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
      continue;
    }
    const pair = isMap(node)
      ? node.items.find(({ key: own }) => String(isScalar(own) ? own.value : own) === key)
      : undefined;
    if (pair === undefined) break;
    offset = (pair.key as Node).range?.[0] ?? offset;
    node = pair.value;
  }
  return offset;
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
