#!/usr/bin/env node
import { CommanderError } from 'commander';
import { failed, wrongUsage } from './exitCodes.ts';
import { createProgram } from './program.ts';
import { endProgress } from './progress.ts';
import { complain } from './text.ts';
import { refuseRenamed, UsageError } from './usage.ts';

try {
  refuseRenamed(process.argv.slice(2), process.env);
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version end with 0. Commander has printed its text.
    process.exitCode = error.exitCode === 0 ? 0 : wrongUsage;
  } else {
    complain(`reaper: ${(error as Error).message}`);
    process.exitCode = error instanceof UsageError ? wrongUsage : failed;
  }
} finally {
  endProgress();
}
