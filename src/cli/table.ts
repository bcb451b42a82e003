import Table from 'cli-table3';
import stringWidth from 'string-width';

/** No column is narrower, however narrow the terminal is. */
const minWidth = 8;
/** What the borders take: a line and two spaces for each column, and the line at the end. */
const borderWidth = (columns: number): number => 3 * columns + 1;

/**
 * Lays out a table. Without a width each row is one line, for `grep`. With a width, such as that of a terminal, the table fits it:
 * the widest columns become narrower, texts wrap at spaces, and longer words are shortened in the middle. Numbers, times and ids
 * of audit entries are always shown whole.
 * @param rows cells as lists of lines, without control characters.
 * @param width columns of the terminal.
 */
export const layOut = (
  head: readonly string[],
  rows: readonly (readonly (readonly string[])[])[],
  width?: number,
): string => {
  const widths = width === undefined ? undefined : fitted([head.map((title) => [title]), ...rows], width);
  const table = new Table({
    head: [...head],
    // Without colours: the library would use them for heads and borders, in pipes too.
    style: { head: [], border: [], compact: true },
    ...(widths === undefined ? {} : { colWidths: widths.map((each) => each + 2), wordWrap: true }),
  });
  for (const row of rows) {
    table.push(
      row.map((lines, i) => (widths === undefined ? lines.join('  ') : wrappable(lines, widths[i] as number))),
    );
  }
  return table.toString();
};

/** A text with an ellipsis in its middle, if it is wider than this. The ends of ids and names say most. */
export const shorten = (text: string, width: number): string => {
  if (stringWidth(text) <= width) return text;
  const letters = [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment);
  const end = taken(letters.reverse(), Math.floor((width - 1) / 2)).reverse();
  const start = taken(letters.reverse(), width - 1 - stringWidth(end.join('')));
  return `${start.join('')}…${end.join('')}`;
};

/** A text in lines that fit this width, where its words do. The lines after the first are indented. */
export const wrapped = (text: string, width: number): string[] => {
  const lines: string[] = [];
  let line = '';
  // The spaces that the text begins with belong to its first word.
  for (const word of text.split(/(?<=\S) /)) {
    if (line !== '' && stringWidth(`${line} ${word}`) > width) {
      lines.push(line);
      line = `   ${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
};

const taken = (letters: readonly string[], width: number): string[] => {
  let left = width;
  const end = letters.findIndex((letter) => {
    left -= stringWidth(letter);
    return left < 0;
  });
  return letters.slice(0, end);
};

/** Width of each column. */
const fitted = (rows: readonly (readonly (readonly string[])[])[], width: number): number[] => {
  const columns = (rows[0] ?? []).map((_, i) => rows.flatMap((row) => row[i] ?? []));
  const natural = columns.map((lines) => widest(lines));
  const whole = columns.map((lines) => widest(lines.flatMap(wordsOf).filter(isWhole)));
  const available = width - borderWidth(columns.length);
  const widthsFor = (cap: number) => natural.map((each, i) => Math.max(Math.min(each, cap), whole[i] ?? 0));
  const fits = (cap: number) => sumOf(widthsFor(cap)) <= available;
  let cap = widest(columns.flat());
  while (cap > minWidth && !fits(cap)) cap--;
  const widths = widthsFor(cap);
  let left = available - sumOf(widths);
  return widths.map((each, i) => ((natural[i] as number) > each && left-- > 0 ? each + 1 : each));
};

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);

const widest = (texts: readonly string[]): number => texts.reduce((most, text) => Math.max(most, stringWidth(text)), 0);

const wordsOf = (text: string): string[] => text.split(' ');

/** A part of a number would be another number, so no column is narrower than its numbers. */
const isWhole = (word: string): boolean => /^[\d.,:TZ-]+$/.test(word);

const wrappable = (lines: readonly string[], width: number): string =>
  lines
    .map((line) =>
      wordsOf(line)
        .map((word) => shorten(word, width))
        .join(' '),
    )
    .join('\n');
