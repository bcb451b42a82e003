import { spawn } from 'node:child_process';
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
