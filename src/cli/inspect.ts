import type { Reaper } from '../index.ts';
import { untilStopped } from './shared.ts';

/** Shows in a browser what a reaper would do, until a signal comes. The reaper only plans. */
export const inspect = async (reaper: Reaper): Promise<number> => {
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
