import type { Reaper } from '../index.ts';
import { complain } from './text.ts';

/** Exit codes of a process that a signal ends: 128 plus the number of the signal. */
const codes = { SIGINT: 130, SIGTERM: 143 } as const;

export interface Signals {
  /** Exit code of the signal that came, if one did. */
  code(): number | undefined;
  /** Removes the handlers. */
  cancel(): void;
}

/**
 * Runs one action with a reaper whose Redis must be reachable, and stops the reaper. The first signal stops it gracefully, and
 * gives the exit code; the second one ends the process at once.
 */
export const once = async (
  reaper: Reaper,
  act: () => Promise<number>,
  ensureUsable: () => Promise<void> = reaper.ping,
): Promise<number> => {
  const signals = stopOnSignals(reaper);
  try {
    await ensureUsable();
    const code = await act();
    return signals.code() ?? code;
  } catch (error) {
    const code = signals.code();
    if (code === undefined) throw error;
    complain(`reaper: ${(error as Error).message}`);
    return code;
  } finally {
    await reaper.stop({ timeout: '10s' });
    signals.cancel();
  }
};

/** Resolves to exit code 0 after a signal, when the reaper has stopped. */
export const untilStopped = (reaper: Reaper): Promise<number> =>
  new Promise((resolve) => {
    stopOnSignals(reaper, () => resolve(0));
  });

/** Stops a reaper at the first signal. `stopped` is called when it has stopped. */
export const stopOnSignals = (reaper: Reaper, stopped: () => void = () => undefined): Signals => {
  let first: number | undefined;
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((signal) => {
    const handle = () => {
      if (first !== undefined) process.exit(codes[signal]);
      first = codes[signal];
      complain(`${signal}: Shutting down; press Ctrl-C again to force quit.`);
      void reaper.stop().then(stopped);
    };
    process.on(signal, handle);
    return () => process.off(signal, handle);
  });
  return {
    code: () => first,
    cancel() {
      for (const off of handlers) off();
    },
  };
};
