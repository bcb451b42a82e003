import { expect, test } from 'vitest';
import { createHostBackoff } from '../../src/io/hooks/hostBackoff.ts';
import { createTestClock } from '../support/clock.ts';

test('pauses of at most a thousand endpoints are remembered, and the oldest is forgotten first', () => {
  const backoff = createHostBackoff(createTestClock(), () => 0.5);
  const endpoints = Array.from({ length: 1_003 }, (_, i) => `http://${i}`);
  for (const each of endpoints) expect(backoff.begin(each)).toBe(750);
  const known = endpoints.filter((each) => backoff.isBackingOff(each));
  expect(known).toEqual(endpoints.slice(3));
  expect(endpoints.map((each) => backoff.left(each) > 0).indexOf(true)).toBe(3);
});
