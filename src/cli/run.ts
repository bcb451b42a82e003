import type { Reaper } from '../index.ts';
import { printJson, stopOnSignals } from './shared.ts';

/** Sweeps and rescues until a signal comes. What it does is in the log; with `--json`, on stdout too. */
export const run = async (reaper: Reaper, flags: { json?: boolean }): Promise<number> => {
  if (flags.json) {
    reaper.on('job', (outcome) => outcome.verdict !== 'kept' && printJson({ type: 'job', ...outcome }));
    reaper.on('pool', (outcome) => printJson({ type: 'pool', ...outcome }));
    reaper.on('hook', (outcome) => printJson({ type: 'hook', ...outcome }));
    reaper.on('sweep', (summary) => printJson({ type: 'sweep', ...summary, hooks: summary.hooks }));
    reaper.on('rescue', (summary) => printJson({ type: 'rescue', ...summary }));
  }
  let cancel = () => {};
  const stopped = new Promise<void>((resolve) => {
    cancel = stopOnSignals(reaper, resolve);
  });
  reaper.start();
  await stopped;
  cancel();
  return 0;
};
