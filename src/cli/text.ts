import Table from 'cli-table3';
import { visible, visibleJson } from '../visible.ts';

/** Whether colours are wanted: on a terminal that knows them, unless NO_COLOR is set. */
export const wantsColors = (stream: { readonly isTTY?: boolean }): boolean =>
  stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';

/** Whoever reads the output may leave (`| head`): what is begun in Redis is finished all the same, unheard. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
const write = (text: string): void => {
  if (process.stdout.writable) process.stdout.write(text);
};

/** Lines on stdout. All that the commands say goes through here or `complain`, which leave no control character as it is. */
export const print = (...lines: readonly string[]): void => {
  for (const line of lines) write(`${visible(line)}\n`);
};
export const printJson = (value: unknown): void => write(`${visibleJson(value)}\n`);

/** A line on stderr. */
export const complain = (line: string): void => {
  process.stderr.write(`${visible(line)}\n`);
};

/** A word of ours in green or red. */
export const paint = (word: string, isGood: boolean): string => `\u001b[${isGood ? 32 : 31}m${word}\u001b[0m`;

/** Lines that were made visible already, for they have colours. */
export const printPainted = (text: string, stream: NodeJS.WriteStream = process.stdout): void => {
  if (stream.writable) stream.write(`${text}\n`);
};

/** A unix second as a person reads it. One that is no date stands as it is: what Redis holds can be any number. */
export const timeOf = (second: number): string => {
  const date = new Date(second * 1_000);
  return Number.isNaN(date.getTime()) ? `second ${second}` : date.toISOString();
};

/** What stands in a cell; several lines as a list. */
export type Cell = string | number | readonly string[];

/** A table without colours, which the library gives to heads and borders unless told not to, in pipes as well. */
export const printTable = (head: readonly string[], rows: readonly (readonly Cell[])[]): void => {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  for (const row of rows)
    table.push(row.map((cell) => (typeof cell === 'object' ? cell : [String(cell)]).map(visible).join('\n')));
  write(`${table.toString()}\n`);
};
