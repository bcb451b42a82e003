/**
 * How much room text takes. A layout must not depend on the fonts of whoever looks at it: all text is monospace and
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

/** To a tenth of a px: nobody sees more, and a drawing holds no noise of floating point. */
export const round = (value: number): number => Math.round(value * 10) / 10;
