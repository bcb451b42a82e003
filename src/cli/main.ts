#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { version } from '../package.ts';
import { visible } from '../visible.ts';
import { registerApply } from './apply.ts';
import { registerAudit } from './audit.ts';
import { registerDoctor } from './doctor.ts';
import { failed, wrongUsage } from './exitCodes.ts';
import { registerExplain } from './explain.ts';
import { registerHooks } from './hooks.ts';
import { registerInspect } from './inspect.ts';
import { registerQuarantine } from './quarantine.ts';
import { registerRescue } from './rescue.ts';
import { registerRun } from './run.ts';
import { registerStatus } from './status.ts';
import { registerSweep } from './sweep.ts';
import { complain } from './text.ts';
import { registerUndo } from './undo.ts';
import { refuseRenamed, UsageError } from './usage.ts';

const program = new Command('reaper')
  .description('Supervises Redis job queues of Harbor jobservice and gocraft/work')
  .version(version)
  .exitOverride()
  .configureOutput({
    writeErr: (text) => process.stderr.write(text.split('\n').map(visible).join('\n')),
    outputError(text, write) {
      // The text holds what the user typed, which may have line ends of its own. Commander's own hint is a line of its own.
      const [, message = text, hint = ''] = /^(.*?)(\n\(Did you mean [^\n]*\))?\n$/s.exec(text) ?? [];
      write(`${visible(message)}${hint}\n`);
    },
  });

for (const register of [
  ...[registerRun, registerSweep, registerRescue, registerApply, registerStatus, registerExplain, registerDoctor],
  ...[registerHooks, registerQuarantine, registerAudit, registerUndo, registerInspect],
]) {
  register(program);
}

try {
  refuseRenamed(process.argv.slice(2), process.env);
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version end with 0. Commander has printed its text.
    process.exitCode = error.exitCode === 0 ? 0 : wrongUsage;
  } else {
    complain(`reaper: ${(error as Error).message}`);
    process.exitCode = error instanceof UsageError ? wrongUsage : failed;
  }
}
