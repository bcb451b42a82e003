/**
 * The size of texts. A layout must not depend on the reader's fonts: all text is monospace and has one width a character,
 * and the SVG sets each text to that width with `textLength`.
 */

/** Size of all text of a chart, px. */
export const fontSize = 12;
/** Height of a line of text, px. */
export const lineHeight = 15;
/** Width of a character divided by the font size: a little more than in common monospace fonts. */
const emOfCharacter = 0.61;

/** Width of a text, px. A surrogate pair counts as one character. */
export const widthOf = (text: string): number => round([...text].length * emOfCharacter * fontSize);

/** How many characters fit into a width. */
export const charactersIn = (width: number): number => Math.floor(width / (emOfCharacter * fontSize));

/** Breaks a text into lines of at most this many characters, at spaces only: a longer word gets its own line. */
export const wrap = (text: string, characters: number): string[] => {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && [...longer].length <= characters) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
};

/** Rounds to a tenth of a px: finer differences are not visible, and floating-point noise disappears. */
export const round = (value: number): number => Math.round(value * 10) / 10;
