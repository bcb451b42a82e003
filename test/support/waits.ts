/** Set-up of every test file: `vi.waitFor` and `vi.waitUntil` wait for progress, as long as `patience`. */
import { vi } from 'vitest';
import { patience } from './patience.ts';

type Options = number | { timeout?: number; interval?: number } | undefined;
const patient = (options: Options) => ({
  timeout: patience,
  interval: 20,
  ...(typeof options === 'number' ? { timeout: options } : options),
});

const { waitFor, waitUntil } = vi;
vi.waitFor = (callback, options) => waitFor(callback, patient(options));
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options));
