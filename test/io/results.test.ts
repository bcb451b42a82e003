/** How long the result of a delivery waits for a Redis that is away. */
import { expect, test } from 'vitest';
import type { Attempts } from '../../src/io/hooks/attempts.ts';
import type { ClaimedHook } from '../../src/io/hooks/claims.ts';
import { createResults } from '../../src/io/hooks/results.ts';
import { createTestClock } from '../support/clock.ts';

const claim = 40_000;
const hook = { id: 'j', endpoint: 'http://h', attempt: 1, at: 0, until: claim } as ClaimedHook;

/** A result that is confirmed while Redis is away. */
const confirm = () => {
  const clock = createTestClock();
  const away = { isAway: true };
  const ends: string[] = [];
  const results = createResults({
    records: {
      async recordAttempt() {
        if (away.isAway)
          throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' });
        return 'ok';
      },
    } as unknown as Attempts,
    backoff: { begin: () => undefined, end: () => undefined } as never,
    settings: { deadline: 86_400_000 },
    clock,
    random: () => 0.5,
    onOutcome: ({ outcome }) => void ends.push(outcome),
  });
  void results
    .delivered(hook, { status: 'Success', revision: 1, checkInAt: 0 })
    .catch(({ message }: Error) => void ends.push(message));
  return {
    ...{ results, ends, away },
    async pass(ms: number) {
      for (let passed = 0; passed < ms; passed += 250) {
        clock.advance(Math.min(250, ms - passed));
        await new Promise(setImmediate);
      }
    },
  };
};
const refused = [expect.stringContaining('ECONNREFUSED')];

test('it waits for ten minutes, and is written as soon as Redis is back', async () => {
  const { ends, away, pass } = confirm();
  await pass(590_000);
  expect(ends).toEqual([]);
  away.isAway = false;
  await pass(2_000);
  expect(ends).toEqual(['delivered']);
  const other = confirm();
  await other.pass(601_000);
  expect(other.ends).toEqual(refused);
});

test('from the beginning of a stop on it waits for half a claim in all, and it is tried at once', async () => {
  const { results, ends, pass } = confirm();
  await pass(3_000);
  results.hurry();
  await pass(claim / 2 - 6_000);
  expect(ends).toEqual([]);
  await pass(3_000);
  expect(ends).toEqual(refused);

  const late = confirm();
  await late.pass(claim);
  late.results.hurry();
  await late.pass(1);
  expect(late.ends).toEqual(refused);

  const taken = confirm();
  await taken.pass(claim);
  taken.away.isAway = false;
  taken.results.hurry();
  await taken.pass(1);
  expect(taken.ends).toEqual(['delivered']);
});

test('once all else of a stop has ended, nothing is tried again', async () => {
  const { results, ends, pass } = confirm();
  await pass(3_000);
  results.stop();
  await pass(1);
  expect(ends).toEqual(refused);
});
