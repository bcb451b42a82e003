/** What the page of a manual is made of, in the macros of man(7). */

/** A text in which nothing is markup. Hyphens of options must be found by a search in the page. */
export const escaped = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^[.']/gm, '\\&$&')
    .replaceAll('…', '...')
    .replaceAll('→', '\\(->')
    .replace(/[^\t\n -~]/gu, (letter) => `\\[u${letter.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`);

export const bold = (text: string): string => `\\fB${escaped(text)}\\fR`;

/** The names of an option. */
export const flags = (names: readonly string[]): string => names.map(bold).join(', ');

/** Paragraphs at the beginning of a section. */
export const paragraphs = (...texts: readonly string[]): string => texts.map(escaped).join('\n.PP\n');

/** A term, which is markup, and its description. */
export const term = (name: string, text: string): string[] => ['.TP', name, escaped(text)];
