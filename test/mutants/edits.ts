import { readdirSync, readFileSync } from 'node:fs';

// The lists of edits in `edits/`. Each edit makes one file wrong in one way, and at least one test must fail.
//
//   file lua/jobs/check_in.lua          the file of the following edits
//   tests redis/jobs/lifecycle hooks/kill    test files that should fail, fast ones first
//
//   - rank(status) == 3                 a text that the file has exactly once; several lines for several lines
//   + rank(status) == 2                 its replacement; left out to remove the text
//   : a job that has ended reports      what goes wrong
//   tests redis/jobs/lifecycle               if this edit has other test files
//   same REASON                         if the edit changes no visible behavior
//
// A line that begins with # is a comment.

/** One way in which a file can be wrong. */
export interface Edit {
  readonly file: string;
  readonly before: string;
  readonly after: string;
  /** What goes wrong. */
  readonly wrong: string;
  /** Paths in `test/` of the test files that should fail, in the order in which they run. */
  readonly tests: readonly string[];
  /** Why the edit changes no visible behavior. */
  readonly same?: string;
}

const folder = new URL('./edits/', import.meta.url);

/** Reads a list of edits. */
export const parseEdits = (text: string, name: string): Edit[] => {
  const edits: Edit[] = [];
  let [file, tests] = ['', [] as string[]];
  for (const block of text.split(/\n\s*\n/)) {
    const [before, after]: [string[], string[]] = [[], []];
    let [wrong, own, same] = ['', undefined as string[] | undefined, undefined as string | undefined];
    for (const line of block.split('\n')) {
      const [, word = '', rest = ''] = /^(\S+) ?(.*)$/.exec(line) ?? [];
      if (word === '' || word.startsWith('#')) continue;
      if (word === '-') before.push(rest);
      else if (word === '+') after.push(rest);
      else if (word === ':') wrong = rest;
      else if (word === 'same') same = rest;
      else if (word === 'tests') own = rest.split(' ');
      else if (word === 'file') [file, tests] = [rest, []];
      else throw new Error(`${name}: unknown line, it must begin with - + : file tests or same: ${line}`);
    }
    if (before.length === 0) {
      tests = own ?? tests;
      continue;
    }
    if (wrong === '') throw new Error(`${name}: the edit has no description: ${before[0]}`);
    edits.push({
      file,
      before: before.join('\n'),
      after: after.join('\n'),
      wrong,
      tests: own ?? tests,
      ...(same === undefined ? {} : { same }),
    });
  }
  return edits;
};

/** All edits, by the name of their list, such as `io-redis`: the part before the hyphen is the room. */
export const allEdits = (): Readonly<Record<string, readonly Edit[]>> =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name.replace('.txt', ''), parseEdits(readFileSync(new URL(name, folder), 'utf8'), name)]),
  );

/** Applies an edit to a text. Throws if the edit does not fit. */
export const withEdit = (text: string, { file, before, after }: Edit): string => {
  const count = text.split(before).length - 1;
  if (count !== 1)
    throw new Error(`${file} contains this text ${count} times, not once; amend the list of edits: ${before}`);
  return text.replace(before, () => after);
};
