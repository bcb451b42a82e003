import { execFileSync, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Keeps every processor busy with a process of its own while `work` runs. */
export const besideBusyLoops = async <T>(work: () => Promise<T>): Promise<T> => {
  const loops = Array.from({ length: availableParallelism() }, () =>
    spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }),
  );
  try {
    return await work();
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
  }
};

const count = availableParallelism();
const [all, last, others] = [`0-${count - 1}`, `${count - 1}`, `0-${count - 2}`];
const pin = (pid: number, processors: string) =>
  execFileSync('taskset', ['-apc', processors, String(pid)], { stdio: 'ignore' });

/**
 * Keeps this process on a processor of its own, as if it ran on another host than Redis, and that process and all that are started by `begin`
 * on the others. Needs Linux and two processors.
 *
 * @param begin is called with the function that does this for a while: what is started before runs on the others.
 */
export const apartFrom = async <T>(
  pid: number,
  begin: (run: <R>(work: () => Promise<R>) => Promise<R>) => Promise<T>,
) => {
  for (const one of [pid, process.pid]) pin(one, others);
  try {
    return await begin(async (work) => {
      pin(process.pid, last);
      return work();
    });
  } finally {
    for (const one of [pid, process.pid]) pin(one, all);
  }
};
