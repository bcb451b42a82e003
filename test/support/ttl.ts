import { expect } from 'vitest';

/**
 * A time to live, in seconds, that was set to `seconds` and has begun to run down. How far depends on the machine; a test
 * that counts on it being whole fails on a busy one.
 */
export const ttlFrom = (seconds: number): number => expect.closeTo(seconds, seconds >= 1_000 ? -3 : -2);
