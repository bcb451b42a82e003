import type { Reaper } from '../index.ts';
import { printJson, untilStopped } from './shared.ts';

export interface RunFlags {
  readonly role: 'auto' | 'never' | 'always';
  readonly sweepInterval?: number;
  readonly rescueInterval?: number;
}

/** Sweeps and rescues until a signal comes. What it does is in the log; with `--json`, on stdout too. */
export const run = async (reaper: Reaper, flags: { json?: boolean }): Promise<number> => {
  if (flags.json) {
    reaper.on('job', (outcome) => outcome.verdict !== 'kept' && printJson({ type: 'job', ...outcome }));
    reaper.on('pool', (outcome) => printJson({ type: 'pool', ...outcome }));
    reaper.on('hook', (outcome) => printJson({ type: 'hook', ...outcome }));
    reaper.on('sweep', (summary) => printJson({ type: 'sweep', ...summary }));
    reaper.on('rescue', (summary) => printJson({ type: 'rescue', ...summary }));
    reaper.on('lease', (change) => printJson({ type: 'lease', ...change }));
  }
  const stopped = untilStopped(reaper);
  reaper.start();
  process.stderr.write('reaper: started\n');
  // It outlasts a Redis that is away, but a person who has just started it wants to know.
  await reaper.ping().catch((error) => process.stderr.write(`reaper: ${error.message} It is tried again.\n`));
  return stopped;
};
