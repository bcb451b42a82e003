import type { Command } from 'commander';
import type { Reaper } from '../index.ts';
import { address, duration } from './arguments.ts';
import { configOf, inspectorOf, reaperOf } from './config.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { untilStopped } from './signals.ts';
import { finish } from './text.ts';

export const registerInspect = (program: Command): void => {
  const command = program
    .command('inspect')
    .description('show in a browser what a reaper would do, once a minute; changes nothing')
    .argument('[host:port]', 'address to listen on (default: 127.0.0.1:7331)', address)
    .option('--interval <duration>', 'time from one plan to the next', duration, 60_000);
  withExamples(command, {
    'open the inspector on this host': 'reaper inspect',
    'open it on port 8080, with a plan every 10 seconds': 'reaper inspect 8080 --interval 10s',
  });
  withOptions(command, 'redis', 'judging', 'sweep', 'pools', 'rescue', 'inspector').action(
    async (where: ReturnType<typeof address> | undefined, { interval }: { interval: number }) => {
      const config = configOf(command);
      const reaper = reaperOf(config, {
        options: {
          plan: true,
          inspect: inspectorOf(config, where),
          sweep: { initialDelay: 0, interval },
        },
      });
      finish(await inspect(reaper));
    },
  );
};

/** Shows the inspector of a reaper that only plans, until it is stopped. */
const inspect = async (reaper: Reaper): Promise<number> => {
  const stopped = untilStopped(reaper);
  try {
    await reaper.ping();
    await reaper.inspectorUrl();
  } catch (error) {
    await reaper.stop({ timeout: 0 });
    throw error;
  }
  reaper.start();
  return stopped;
};
