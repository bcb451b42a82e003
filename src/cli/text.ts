import { countText } from '../ages.ts';
import { visible, visibleJson } from '../visible.ts';
import { failed } from './exitCodes.ts';
import { clearStatusLine } from './statusLine.ts';
import { layOut } from './table.ts';

/** Whether to use colours: as FORCE_COLOR says, else on a terminal that supports them, unless NO_COLOR is set. */
export const wantsColors = (stream: { readonly isTTY?: boolean }): boolean => {
  const { FORCE_COLOR: forced, NO_COLOR: refused, TERM: terminal } = process.env;
  if (forced) return forced !== '0' && forced !== 'false';
  return stream.isTTY === true && !refused && terminal !== 'dumb';
};

let isOutputLost = false;
/** The reader of the output may close it (`| head`), or its disk may be full. What was started in Redis is finished all the same. */
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE' || isOutputLost) return;
  isOutputLost = true;
  complain(`reaper: the output cannot be written (${code})`);
  finish(failed);
});
/** There is nowhere left to say so. */
process.stderr.on('error', () => undefined);
const write = (text: string): void => {
  clearStatusLine();
  if (process.stdout.writable) process.stdout.write(text);
};

/** Prints lines on stdout. All output goes through here or `complain`, which escape control characters. */
export const print = (...lines: readonly string[]): void => {
  for (const line of lines) write(`${visible(line)}\n`);
};
/** Version of the shape of `--json`. */
const schema = 1;

/**
 * Prints a line of JSON on stdout.
 * @param type what kind of line it is. The value has no `type` of its own, which would take its place.
 */
export const printJson = <Value extends object & { readonly type?: never }>(type: string, value: Value): void =>
  write(`${visibleJson({ schema, type, ...value })}\n`);

/** Prints a line on stderr. */
export const complain = (line: string): void => {
  clearStatusLine();
  process.stderr.write(`${visible(line)}\n`);
};

/** A word in green or red. It must hold no text from outside. */
export const paint = (word: string, isGood: boolean): string => `\u001b[${isGood ? 32 : 31}m${word}\u001b[0m`;

/** Prints lines whose texts are escaped already, because they hold colours. */
export const printPainted = (text: string, stream: NodeJS.WriteStream = process.stdout): void => {
  clearStatusLine();
  if (stream.writable) stream.write(`${text}\n`);
};

/** An ISO time without milliseconds. */
export const timeOf = (time: string): string => time.replace(/\.\d{3}Z$/, 'Z');

/** Counts as people read them. */
export const countsOf = (counts: Readonly<Record<string, number | undefined>>): string =>
  Object.entries(counts)
    .map(([name, count = 0]) => `${countText(count)} ${name}`)
    .join(', ') || 'none';

/** Sets the exit code of the process. A command whose output was lost has failed, whatever it found. */
export const finish = (code: number): void => {
  process.exitCode = isOutputLost ? failed : code;
};

/** Content of a cell; a number is a count; several lines as a list. */
export type Cell = string | number | readonly string[];

/**
 * Prints a table. On a terminal it fits the width: long ids and names are shortened in the middle. In a pipe each row is one line, and
 * nothing is shortened.
 */
export const printTable = (head: readonly string[], rows: readonly (readonly Cell[])[]): void => {
  for (const line of tableLines(head, rows, process.stdout.isTTY ? widthOf(process.stdout) : undefined)) {
    write(`${line}\n`);
  }
};

/** The lines of a table that fits this width, with control characters escaped. */
export const tableLines = (
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  width: number | undefined,
): string[] => {
  const lines = rows.map((row) => row.map((cell) => cellLines(cell).map((line) => visible(line))));
  return layOut(head, lines, width).split('\n');
};

const cellLines = (cell: Cell): readonly string[] => {
  if (typeof cell === 'object') return cell;
  return [typeof cell === 'number' ? countText(cell) : cell];
};

/** A terminal that says it has fewer columns is taken for one that says nothing. */
const minColumns = 10;

/** Columns of a terminal. `COLUMNS` overrides what it says of itself. */
export const widthOf = (stream: { readonly columns?: number }): number =>
  [Number(process.env.COLUMNS), stream.columns ?? 0].find((columns) => columns >= minColumns && columns < 1e6) ?? 80;
