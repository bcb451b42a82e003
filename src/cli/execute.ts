import { CommanderError } from 'commander';
import { failed, wrongUsage } from './exitCodes.ts';
import { createProgram } from './program.ts';
import { endProgress } from './progress.ts';
import { complain, finish } from './text.ts';
import { refuseRenamed, UsageError } from './usage.ts';

/** Runs the command that the arguments name, prints what it says, and sets the exit code of the process. It never throws. */
export const execute = async (args: readonly string[]): Promise<void> => {
  try {
    refuseRenamed(args, process.env);
    await createProgram().parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end with 0. Commander has printed its text.
      finish(error.exitCode === 0 ? 0 : wrongUsage);
    } else {
      complain(`reaper: ${(error as Error).message}`);
      finish(error instanceof UsageError ? wrongUsage : failed);
    }
  } finally {
    endProgress();
  }
};
