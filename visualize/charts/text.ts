/**
 * How much room text takes. A layout must not depend on the fonts of the reader: all text is monospace and
 * reckoned at one width a character, and the SVG holds each text to that width by `textLength`.
 */

/** Size of all text of a chart, px. */
export const fontSize = 12;
/** Height of a line of text, px. */
export const lineHeight = 16;
/** Width of a character as a part of its size, a little more than that of common monospace fonts. */
const emOfCharacter = 0.61;

/** Width of a text, px. Counts code points: a pair of surrogates is one character. */
export const widthOf = (text: string): number => round([...text].length * emOfCharacter * fontSize);

/** How many characters a width has room for. */
export const charactersIn = (width: number): number => Math.floor(width / (emOfCharacter * fontSize));

/** A text in lines of at most so many characters. Breaks at blanks only: a longer word has a line of its own. */
export const wrap = (text: string, characters: number): string[] => {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && [...longer].length <= characters) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
};

/** To a tenth of a px: finer is not visible, and a drawing holds no noise of floating point. */
export const round = (value: number): number => Math.round(value * 10) / 10;
