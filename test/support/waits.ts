/** Set-up of every test file: `vi.waitFor` and `vi.waitUntil` wait for progress, never shorter than `patience`. */
import { vi } from 'vitest';
import { patience } from './patience.ts';

type Options = number | { timeout?: number; interval?: number } | undefined;
const patient = (options: Options) => {
  const { timeout = 0, interval = 20 } = typeof options === 'number' ? { timeout: options } : (options ?? {});
  return { timeout: Math.max(timeout, patience), interval };
};

const { waitFor, waitUntil } = vi;
vi.waitFor = (callback, options) => waitFor(callback, patient(options));
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options));
