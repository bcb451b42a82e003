import { expect, test } from 'vitest';
import { systemClock } from '../../src/io/clock.ts';
import type { ClaimedHook } from '../../src/io/hooks/claims.ts';
import { createInFlightLimiter } from '../../src/io/hooks/inFlightLimiter.ts';
import { createHookRecords } from '../../src/io/hooks/records.ts';
import type { Sender } from '../../src/io/hooks/sender.ts';
import { redisFixture } from '../support/fixture.ts';
import { seedJob } from '../support/jobs.ts';

// An event holds all parameters of its job: what is in flight at once is bounded by bytes.

const { redis, keys, scripts, connection } = await redisFixture();

const origin = 'http://h:1';

test('fault 114: a claim takes no more hooks than their stats are large, and the next one takes the others', async () => {
  const records = createHookRecords({
    ...{ connection, keys, scripts },
    settings: { maxRecords: 100, breakerThreshold: 10, drainRate: 50, claimDuration: 60_000 },
    clock: systemClock,
  });
  const ids = Array.from({ length: 8 }, (_, i) => `large-${i}`);
  const parameters = JSON.stringify({ big: 'x'.repeat(400_000) });
  for (const id of ids) await seedJob(redis, id, { web_hook_url: origin, parameters, revision: 1 });
  await records.enqueue(ids.map((id) => ({ id, state: 'Running:1', endpoint: origin })));
  const taken: string[] = [];
  for (let claims = 1; taken.length < ids.length; claims++) {
    const { hooks, wait } = await records.claim(origin, 16);
    taken.push(...hooks.map(({ id }) => id));
    expect(hooks.length).toBe(claims === 3 ? 2 : 3);
    expect(wait === 0).toBe(taken.length < ids.length);
  }
  expect(taken.sort()).toEqual(ids);
});

const claimed = (i: number, length: number): ClaimedHook => ({
  ...{ id: `${i}`, endpoint: origin, isRequested: false, attempt: 1, at: 0, until: 1, askedAt: 0 },
  stats: { parameters: 'x'.repeat(length) },
});

test('fault 114: what is in flight is bounded by bytes: no more is claimed before some of it has ended', async () => {
  const ends: (() => void)[] = [];
  const sender: Pick<Sender, 'deliver'> = { deliver: () => new Promise((resolve) => ends.push(resolve)) };
  const limiter = createInFlightLimiter(sender as Sender, 64);
  expect(limiter.reserve(origin, 16)).toBe(16);
  limiter.release(origin, 8);
  const ended = new Promise<void>((resolve) =>
    limiter.send(
      Array.from({ length: 8 }, (_, i) => claimed(i, 1_000_000)),
      resolve,
    ),
  );
  expect(limiter.reserve(origin, 16)).toBe(0);
  expect(limiter.reserve('http://other:1', 16)).toBe(0);
  ends[0]?.();
  await ended;
  expect(limiter.reserve('http://other:1', 16)).toBe(16);
});

test('fault 114: claims without a reply yet count too', () => {
  const limiter = createInFlightLimiter({ deliver: async () => undefined } as unknown as Sender, 1_024);
  const rooms = Array.from({ length: 40 }, (_, i) => limiter.reserve(`http://h:${i}`, 1));
  expect(rooms.filter((room) => room === 1)).toHaveLength(32);
  limiter.release('http://h:0', 1);
  expect(limiter.reserve('http://h:0', 1)).toBe(1);
});
