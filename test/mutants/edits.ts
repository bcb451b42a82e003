import { readdirSync, readFileSync } from 'node:fs';

// The lists of edits in `edits/`. Each edit makes one file wrong in one way, and a test has to fail on it.
//
//   file lua/jobs/check_in.lua               the file of the edits that follow
//   tests redis/lifecycle hooks/kill    test files that should fail, the cheap ones first
//
//   - rank(status) == 3                 what stands in the file exactly once; several lines for several lines
//   + rank(status) == 2                 what it becomes; left out where the text is removed
//   : a job that has ended reports      what goes wrong then
//   tests redis/lifecycle               only where these differ from those above
//   same REASON                         only where the edit changes nothing that shows
//
// A line that begins with # is a comment.

/** One way in which a file can be wrong. */
export interface Edit {
  readonly file: string;
  readonly before: string;
  readonly after: string;
  /** What goes wrong with it. */
  readonly wrong: string;
  /** Test files that should fail, by their paths in `test/`, in the order in which they are run. */
  readonly tests: readonly string[];
  /** Why the edit changes nothing that shows, where it is equivalent. */
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
      else throw new Error(`${name}: a line begins with none of - + : file tests same: ${line}`);
    }
    if (before.length === 0) {
      tests = own ?? tests;
      continue;
    }
    if (wrong === '') throw new Error(`${name}: say what goes wrong with: ${before[0]}`);
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

/** All edits, by the name of their list: its room, and what else tells it from other lists of the room. */
export const allEdits = (): Readonly<Record<string, readonly Edit[]>> =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name.replace('.txt', ''), parseEdits(readFileSync(new URL(name, folder), 'utf8'), name)]),
  );

/** The text with the edit. Throws where the edit does not fit the text. */
export const withEdit = (text: string, { file, before, after }: Edit): string => {
  const count = text.split(before).length - 1;
  if (count !== 1) throw new Error(`${file} has this ${count} times, not once; amend the list of edits: ${before}`);
  return text.replace(before, () => after);
};
