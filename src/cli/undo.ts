import { type Command, InvalidArgumentError } from 'commander';
import type { Reaper, UndoOutcome } from '../index.ts';
import { isEntryId } from '../options.ts';
import { configOf, reaperOf } from './config.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { withProgress } from './progress.ts';
import { once } from './signals.ts';
import { complain, finish, print, printJson, timeOf } from './text.ts';

export const registerUndo = (program: Command): void => {
  const command = program
    .command('undo')
    .argument('<entry...>', 'ids of entries, as reaper audit shows them', addEntry)
    .description('undo acts: fail, reset, untrack, quarantine, dropped hooks and dropped quarantines')
    .option('--plan', 'print what would be undone, and change nothing');
  withProgress(command, 'undoing acts');
  withExamples(command, {
    'what an undo of two acts would do': 'reaper undo --plan 1790000000000-0 1790000000000-1',
    'undo an act': 'reaper undo 1790000000000-0',
  });
  withOptions(command, 'redis', 'audit').action(async (entries: string[], flags: UndoFlags) => {
    const reaper = reaperOf(configOf(command));
    finish(await once(reaper, () => undo(reaper, entries, flags)));
  });
};

interface UndoFlags {
  readonly json?: boolean;
  readonly plan?: boolean;
}

const addEntry = (text: string, before: readonly string[] = []): readonly string[] => {
  if (isEntryId(text)) return [...before, text];
  throw new InvalidArgumentError('It must be the id of an entry, such as 1790000000000-0: see reaper audit.');
};

/** Undoes entries. Exit code 1 if one was not undone, 4 if one is not there. */
export const undo = async (reaper: Reaper, entries: readonly string[], { json, plan }: UndoFlags): Promise<number> => {
  const outcomes = await reaper.audit.undo(entries, { plan: plan === true });
  for (const outcome of outcomes) {
    if (json) printJson('undo', { plan: plan === true, ...outcome });
    else printOutcome(outcome);
  }
  const ends = new Set(outcomes.map(({ outcome }) => outcome));
  if (ends.has('not-found')) return 4;
  return ends.has('moved') || ends.has('already-undone') || ends.has('refused') ? 1 : 0;
};

const printOutcome = ({ entry, what, job, outcome, moved = [], undone, reason, notes }: UndoOutcome): void => {
  const act = [entry, what, job].filter((word) => word !== undefined).join(' ');
  if (outcome === 'done' || outcome === 'planned') {
    print(`${act}: ${outcome === 'done' ? 'undone' : 'would be undone'}`, ...notes.map((note) => `  ${note}`));
  } else if (outcome === 'not-found') complain(`reaper: there is no entry ${entry}. See: reaper audit`);
  else if (outcome === 'refused') complain(`reaper: ${act}: cannot be undone: ${reason}`);
  else if (undone !== undefined)
    complain(`reaper: ${act}: undone already, ${timeOf(undone.at)} by ${undone.who} (entry ${undone.entry})`);
  else {
    const changes = moved.map(
      ({ fact, expected, found }) => `${fact} was ${expected || 'none'}, is ${found || 'none'}`,
    );
    complain(`reaper: ${act}: not undone, for this has changed since: ${changes.join('; ')}`);
  }
};
