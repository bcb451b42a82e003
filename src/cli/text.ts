import Table from 'cli-table3';
import { visible, visibleJson } from '../visible.ts';

/** Whether to use colours: on a terminal that supports them, unless NO_COLOR is set. */
export const wantsColors = (stream: { readonly isTTY?: boolean }): boolean =>
  stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';

/** The reader of the output may close it (`| head`). What was started in Redis is finished all the same. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
const write = (text: string): void => {
  if (process.stdout.writable) process.stdout.write(text);
};

/** Prints lines on stdout. All output goes through here or `complain`, which escape control characters. */
export const print = (...lines: readonly string[]): void => {
  for (const line of lines) write(`${visible(line)}\n`);
};
/** Version of the shape of `--json`. */
const schema = 1;

/** Prints a line of JSON on stdout. */
export const printJson = (value: object): void => write(`${visibleJson({ schema, ...value })}\n`);

/** Prints a line on stderr. */
export const complain = (line: string): void => {
  process.stderr.write(`${visible(line)}\n`);
};

/** A word in green or red. It must hold no text from outside. */
export const paint = (word: string, isGood: boolean): string => `\u001b[${isGood ? 32 : 31}m${word}\u001b[0m`;

/** Prints lines whose texts are escaped already, because they hold colours. */
export const printPainted = (text: string, stream: NodeJS.WriteStream = process.stdout): void => {
  if (stream.writable) stream.write(`${text}\n`);
};

/** An ISO time without milliseconds. */
export const timeOf = (time: string): string => time.replace(/\.\d{3}Z$/, 'Z');

/** Counts as people read them. */
export const countsOf = (counts: Readonly<Record<string, number | undefined>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ') || 'none';

/** Sets the exit code of the process. */
export const finish = (code: number): void => {
  process.exitCode = code;
};

/** Content of a cell; several lines as a list. */
export type Cell = string | number | readonly string[];

/**
 * Prints a table. Without colours: the library would use them for heads and borders, in pipes too.
 * @param width how many columns of the terminal it may take: the widest cells are wrapped to fit.
 */
export const printTable = (
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  width = Number.POSITIVE_INFINITY,
): void => {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'object' ? cell : [String(cell)]).map(visible)));
  const table = new Table({
    head: [...head],
    style: { head: [], border: [] },
    ...(width === Number.POSITIVE_INFINITY ? {} : { colWidths: widthsOf(head, cells, width) }),
    ...{ wordWrap: true, wrapOnWordBoundary: false },
  });
  for (const row of cells) table.push(row.map((lines) => lines.join('\n')));
  write(`${table.toString()}\n`);
};

/** Widths of the columns, with the spaces around their texts. The widest ones are made narrower until all fit. */
const widthsOf = (head: readonly string[], rows: readonly (readonly (readonly string[])[])[], width: number) => {
  const widths = head.map(
    (name, i) => 2 + Math.max(name.length, ...rows.flatMap((row) => row[i] ?? []).map(({ length }) => length)),
  );
  const room = width - head.length - 1;
  for (let excess = sum(widths) - room; excess > 0; excess--) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest] = (widths[widest] as number) - 1;
  }
  return widths;
};
const sum = (numbers: readonly number[]): number => numbers.reduce((all, number) => all + number, 0);
