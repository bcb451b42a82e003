/**
 * Notices that this process did not run, because its own work blocked the event loop or because it was stopped. Meanwhile it opens no connection and
 * reads no answer, so what fails then may not be the fault of the endpoint.
 */
export interface Stalls {
  /** Begins to watch one request. `limit`: its time limit, in ms. */
  watch(limit: number): StallWatch;
}

export interface StallWatch {
  /** Whether this process was held up once for half of the time limit, at least 0.5 s, at most 2 s: the rest may have been too short. */
  wasStalled(): boolean;
  end(): void;
}

const [leastStall, mostStall] = [500, 2_000];
/** How often the process shows that it runs while a request is watched, in ms. */
const period = 100;

export const createStalls = (): Stalls => {
  const watches = new Set<{ longest: number }>();
  let lastRun = 0;
  let timer: NodeJS.Timeout | undefined;

  const noteRun = () => {
    const now = performance.now();
    const gap = now - lastRun;
    lastRun = now;
    if (gap < leastStall) return;
    for (const watch of watches) watch.longest = Math.max(watch.longest, gap);
  };

  return {
    watch(limit) {
      noteRun();
      timer ??= setInterval(noteRun, period).unref();
      const tooLong = Math.min(mostStall, Math.max(leastStall, limit / 2));
      const watch = { longest: 0 };
      watches.add(watch);
      return {
        wasStalled() {
          noteRun();
          return watch.longest > tooLong;
        },
        end() {
          watches.delete(watch);
          if (watches.size > 0) return;
          clearInterval(timer);
          timer = undefined;
        },
      };
    },
  };
};
