import { type Clock, monotonicOf } from '../clock.ts';
import type { ScriptName, Scripts } from './scripts.ts';

/** Scripts whose calls are measured. @param observe called with the time from sending a script until its reply, in ms. */
export const timedScripts = (
  scripts: Scripts,
  clock: Clock,
  observe: (name: ScriptName, ms: number) => void,
): Scripts => {
  const timed = async <Reply>(name: ScriptName, call: () => Promise<Reply>): Promise<Reply> => {
    const began = monotonicOf(clock);
    try {
      return await call();
    } finally {
      observe(name, monotonicOf(clock) - began);
    }
  };
  return {
    ...scripts,
    run: (name, ...call) => timed(name, () => scripts.run(name, ...call)),
    plan: (name, ...call) => timed(name, () => scripts.plan(name, ...call)),
  };
};
