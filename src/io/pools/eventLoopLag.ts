/** Measures how late the event loop of this process is. */
export interface LagMeter {
  /** The longest delay since the last call, in ms. The first call starts the measurement. */
  read(): number;
  close(): void;
}

const interval = 100;

/**
 * Does not use `monitorEventLoopDelay`: it starts again with each reset, and so misses a delay that begins right after one.
 * The start-up of the process does not count, because the measurement starts with the first reading.
 */
export const createLagMeter = (): LagMeter => {
  let timer: NodeJS.Timeout | undefined;
  let last = 0;
  let max = 0;
  const tick = () => {
    const now = performance.now();
    max = Math.max(max, now - last - interval);
    last = now;
  };
  return {
    read() {
      if (timer === undefined) {
        last = performance.now();
        timer = setInterval(tick, interval).unref();
      } else tick();
      const lag = max;
      max = 0;
      return lag;
    },
    close: () => clearInterval(timer),
  };
};
