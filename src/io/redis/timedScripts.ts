import { type Clock, monotonicOf } from '../clock.ts';
import type { ScriptName, Scripts } from './scripts.ts';

/** Scripts whose calls are measured. @param observe called with the time from sending a script until its reply, in ms. */
export const timedScripts = (
  scripts: Scripts,
  clock: Clock,
  observe: (name: ScriptName, ms: number) => void,
): Scripts => ({
  ...scripts,
  async run(name, ...call) {
    const began = monotonicOf(clock);
    try {
      return await scripts.run(name, ...call);
    } finally {
      observe(name, monotonicOf(clock) - began);
    }
  },
});
