import { type DoctorReport, type Reaper, UnusableRedisError } from '../index.ts';
import { printCheck } from './doctor.ts';
import { type Signals, stopOnSignals } from './shared.ts';
import { complain, printJson } from './text.ts';

export interface RunFlags {
  readonly role: 'auto' | 'never' | 'always';
  readonly sweepInterval?: number;
  readonly rescueInterval?: number;
}

/** Sweeps and rescues until a signal comes. What it does is in the log; with `--json`, on stdout too. */
export const run = async (reaper: Reaper, flags: { json?: boolean }): Promise<number> => {
  if (flags.json) {
    reaper.on('job', (outcome) => outcome.verdict !== 'keep' && printJson({ type: 'job', ...outcome }));
    reaper.on('pool', (outcome) => printJson({ type: 'pool', ...outcome }));
    reaper.on('hook', (outcome) => printJson({ type: 'hook', ...outcome }));
    reaper.on('sweep', (summary) => printJson({ type: 'sweep', ...summary }));
    reaper.on('rescue', (summary) => printJson({ type: 'rescue', ...summary }));
    reaper.on('connection', (change) => printJson({ type: 'connection', ...change }));
    reaper.on('lease', (change) => printJson({ type: 'lease', ...change }));
  }
  let signals: Signals | undefined;
  const stopped = new Promise<number>((resolve) => {
    signals = stopOnSignals(reaper, () => resolve(0));
  });
  let failure: Error | undefined;
  const report = await reaper.doctor({ essential: true }).catch((error: Error) => {
    failure = error;
    return undefined;
  });
  if (signals?.code() !== undefined) return stopped;
  // A Redis that is away is in the log, and comes back; a refusal needs an operator.
  if (failure instanceof UnusableRedisError && failure.kind === 'permanent') {
    await reaper.stop({ timeout: 0 });
    signals?.cancel();
    throw failure;
  }
  if (report !== undefined && !canStart(report)) {
    await reaper.stop({ timeout: 0 });
    signals?.cancel();
    return 1;
  }
  reaper.start();
  complain('reaper: started');
  return stopped;
};

/** Whether the reaper can work here. Says what is not fine, and what to do. */
const canStart = ({ checks }: DoctorReport): boolean => {
  for (const check of checks) if (!check.ok) printCheck(check, process.stderr);
  if (checks.every(({ isBlocking }) => !isBlocking)) return true;
  complain('reaper: not started, since it can not work here: see the lines above, or run reaper doctor');
  return false;
};
