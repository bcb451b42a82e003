import type { Command } from 'commander';
import type { Reaper, ReaperStatus } from '../index.ts';
import { duration } from './arguments.ts';
import { configOf, reaperOf } from './config.ts';
import { needsAttention } from './exitCodes.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { withProgress } from './progress.ts';
import { once } from './signals.ts';
import { statusLines } from './statusView.ts';
import { finish, printJson, printPainted, wantsColors, widthOf } from './text.ts';
import { UsageError } from './usage.ts';
import { watch } from './watch.ts';

/** Time between two views, in ms. */
const defaultInterval = 2_000;
const minInterval = 100;

export const registerStatus = (program: Command): void => {
  const command = program
    .command('status')
    .description('show what is wrong, then queues, pools and endpoints; changes nothing')
    .option('--watch [interval]', 'show it again and again until Ctrl-C, every 2s by default', duration)
    .addHelpText('after', '\nExit code 3: something needs attention.');
  withProgress(command, 'reading queues, pools and tracked jobs');
  withExamples(command, {
    'what is wrong, the worst first, with the command that helps': 'reaper status',
    'the same every 5 seconds, until Ctrl-C': 'reaper status --watch 5s',
    'types whose lock is not what their pools hold': "reaper status --json | jq '.queues[] | select(.drift != 0)'",
  });
  withOptions(command, 'redis', 'judging', 'pools').action(async (flags: StatusFlags) => {
    const interval = intervalOf(flags);
    const reaper = reaperOf(configOf(command));
    finish(await (interval === undefined ? once(reaper, () => status(reaper, flags)) : watchStatus(reaper, interval)));
  });
};

interface StatusFlags {
  readonly json?: boolean;
  readonly watch?: number | true;
}

/** @throws UsageError where there is nothing to draw on. */
const intervalOf = ({ watch: given, json }: StatusFlags): number | undefined => {
  if (given === undefined) return undefined;
  if (json) throw new UsageError('--watch: cannot be used with --json. Run the command again for each reading.');
  if (!process.stdout.isTTY || process.env.TERM === 'dumb') {
    throw new UsageError('--watch: needs a terminal. Without --watch the command prints one status.');
  }
  const interval = given === true ? defaultInterval : given;
  if (interval < minInterval) throw new UsageError(`--watch: must be at least ${minInterval}ms`);
  return interval;
};

/** The state of the namespace. Exit code 3 if something needs attention. */
export const status = async (reaper: Reaper, flags: StatusFlags): Promise<number> => {
  const state = await reaper.status();
  if (flags.json) printJson('status', state);
  else for (const line of statusLines(state, viewOf(process.stdout))) printPainted(line);
  return needsNothing(state) ? 0 : needsAttention;
};

const needsNothing = ({ problems }: ReaperStatus): boolean => problems.every(({ severity }) => severity === 'notice');

const viewOf = (stream: NodeJS.WriteStream) => ({
  width: stream.isTTY ? widthOf(stream) : undefined,
  colors: wantsColors(stream),
});

const watchStatus = (reaper: Reaper, interval: number): Promise<number> =>
  watch(reaper, interval, async () => statusLines(await reaper.status(), { ...viewOf(process.stdout), isCut: true }));
