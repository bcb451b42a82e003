import type { Command } from 'commander';
import type { DoctorCheck, DoctorReport, Reaper } from '../index.ts';
import { visible } from '../visible.ts';
import { type Config, type ConfiguredOption, configOf, reaperOf } from './config.ts';
import { needsAttention } from './exitCodes.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { originsOf } from './origins.ts';
import { withProgress } from './progress.ts';
import { once } from './signals.ts';
import { finish, paint, print, printJson, printPainted, wantsColors } from './text.ts';

export const registerDoctor = (program: Command): void => {
  const command = program
    .command('doctor')
    .description('check what the reaper depends on, and show where each option comes from; changes nothing')
    .addHelpText('after', '\nExit code 3: something needs attention.');
  withProgress(command, 'checking Redis');
  withExamples(command, {
    'check Redis, rights, keys and clocks': 'reaper doctor',
    'where each option of a config file comes from': 'reaper doctor --config /etc/reaper/reaper.yaml',
  });
  withOptions(command, 'redis', 'schedule', 'judging', 'sweep', 'rescue', 'hooks', 'audit').action(
    async (flags: { json?: boolean }) => {
      const config = configOf(command);
      const reaper = reaperOf(config);
      // A Redis that answers and cannot be used is one of the checks.
      const ensureUsable = async () => undefined;
      finish(await once(reaper, () => doctor(reaper, config, flags), ensureUsable));
    },
  );
};

/** What the reaper depends on, one line per check, and the options that are set. Exit code 3 if something needs attention. */
const doctor = async (reaper: Reaper, config: Config, flags: { json?: boolean }): Promise<number> => {
  const report = await reaper.doctor();
  const options = originsOf(config);
  if (flags.json) printJson('doctor', { ...report, options });
  else show(report, options);
  return report.ok ? 0 : needsAttention;
};

const show = ({ namespace, redis, checks }: DoctorReport, options: readonly ConfiguredOption[]): void => {
  const attention = checks.filter(({ ok }) => !ok).length;
  print(`namespace ${namespace} on ${redis}`);
  for (const check of checks) printCheck(check, process.stdout);
  for (const option of options) print(optionLineOf(option));
  print(attention === 0 ? 'everything is fine' : `${attention} of ${checks.length} checks need attention`);
};

/** `option  sweep.interval: 30m  from reaper.yaml:3`. */
const optionLineOf = ({ path, value, source, line }: ConfiguredOption): string => {
  const shown = value === undefined ? '(secret)' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  return `option  ${path}: ${shown}  from ${source}${line === undefined ? '' : `:${line}`}`;
};

/** `ok  role       master`. A check that fails has a second line that says what to do. */
export const lineOf = ({ what, ok, detail, todo }: DoctorCheck, colors = false): string => {
  const mark = ok ? 'ok' : '!!';
  const line = `${colors ? paint(mark, ok) : mark}  ${what.padEnd(9)}  ${visible(detail)}`;
  return todo === undefined ? line : `${line}\n               to do: ${visible(todo)}`;
};

export const printCheck = (check: DoctorCheck, stream: NodeJS.WriteStream): void =>
  printPainted(lineOf(check, wantsColors(stream)), stream);
