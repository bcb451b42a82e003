/** Set-up of every test file: `vi.waitFor` and `vi.waitUntil` have the time-out `waitLimit`. */
import { vi } from 'vitest';
import { waitLimit } from './waitLimit.ts';

type Options = number | { timeout?: number; interval?: number } | undefined;
const withLimit = (options: Options) => {
  const { timeout = 0, interval = 20 } = typeof options === 'number' ? { timeout: options } : (options ?? {});
  return { timeout: Math.max(timeout, waitLimit), interval };
};

const { waitFor, waitUntil } = vi;
vi.waitFor = (callback, options) => waitFor(callback, withLimit(options));
vi.waitUntil = (callback, options) => waitUntil(callback, withLimit(options));
