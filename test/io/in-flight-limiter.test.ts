/** The room for hooks in flight, which no endpoint takes for itself, and what a sweep notes of endpoints. */
import { expect, test } from 'vitest';
import type { ClaimedHook } from '../../src/io/hooks/claims.ts';
import { createHooks } from '../../src/io/hooks/hooks.ts';
import { createInFlightLimiter } from '../../src/io/hooks/inFlightLimiter.ts';
import type { HookRecords } from '../../src/io/hooks/records.ts';
import type { Sender } from '../../src/io/hooks/sender.ts';
import type { TrackedJob } from '../../src/machines/facts.ts';
import type { HookEnd } from '../../src/machines/types/job.ts';
import { facts } from '../support/facts.ts';

/** A sender that sends nothing before the test says so. */
const createHeldSender = () => {
  const ends: (() => void)[] = [];
  const sender: Sender = {
    deliver: () => new Promise<void>((resolve) => ends.push(resolve)),
    holdText: () => undefined,
    hurry: () => undefined,
    stop: () => undefined,
    deliverPendingTexts: async () => undefined,
  };
  return { sender, endOne: () => ends.shift()?.() };
};
const claimedFor = (origin: string, count: number): ClaimedHook[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{
      id: `${origin} ${i}`,
      endpoint: origin,
      isRequested: false,
      attempt: 1,
      at: 0,
      until: 1,
      askedAt: 0,
      stats: {},
    },
  }));

test('a new endpoint gets half of the free places, and an endpoint with hooks in flight leaves a quarter for others', () => {
  const limiter = createInFlightLimiter(createHeldSender().sender, 64);
  expect(limiter.reserve('http://slow', 1_000)).toBe(32);
  expect(limiter.reserve('http://slow', 1_000)).toBe(16);
  expect(limiter.reserve('http://slow', 1_000)).toBe(0);
  expect(limiter.reserve('http://other', 1_000)).toBe(8);
  expect(limiter.reserve('http://third', 3)).toBe(3);
  expect(limiter.reserve('http://fourth', 1_000)).toBe(3);
});

test('the last free place goes to an endpoint with no hook in flight', () => {
  const limiter = createInFlightLimiter(createHeldSender().sender, 1);
  expect(limiter.reserve('http://a', 5)).toBe(1);
  expect(limiter.reserve('http://b', 5)).toBe(0);
  limiter.release('http://a', 1);
  expect(limiter.reserve('http://b', 5)).toBe(1);
});

test('places that were reserved but not claimed are free again, and so are places of sent hooks', async () => {
  const { sender, endOne } = createHeldSender();
  const limiter = createInFlightLimiter(sender, 8);
  expect(limiter.reserve('http://a', 8)).toBe(4);
  limiter.release('http://a', 2);
  let ended = 0;
  limiter.send(claimedFor('http://a', 2), () => ended++);
  expect(limiter.inFlight).toBe(2);
  expect(limiter.reserve('http://b', 8)).toBe(3);
  limiter.release('http://b', 3);
  endOne();
  endOne();
  await limiter.idle();
  await expect.poll(() => ended).toBe(2);
  // Nothing of it is in flight: it is treated as new.
  expect(limiter.reserve('http://a', 8)).toBe(4);
});

test('claimed hooks do not wait for room that was taken away since, else their claims would expire', async () => {
  const { sender, endOne } = createHeldSender();
  const limiter = createInFlightLimiter(sender, 8);
  expect(limiter.reserve('http://a', 8)).toBe(4);
  limiter.setConcurrency(1);
  limiter.send(claimedFor('http://a', 4), () => undefined);
  expect(limiter.inFlight).toBe(4);
  expect(limiter.reserve('http://b', 8)).toBe(0);
  for (let i = 0; i < 4; i++) endOne();
  await limiter.idle();
  await expect.poll(() => limiter.reserve('http://b', 8)).toBe(1);
});

const createHooksOnDue = (rewriteOrigins: Record<string, string> = {}) => {
  const due: string[] = [];
  let now = 0;
  const recorded: { readonly id: string; readonly endpoint: string }[] = [];
  let reply: HookEnd = 'enqueued';
  const records = {
    async enqueue(changes: readonly { readonly id: string; readonly endpoint: string }[]) {
      recorded.push(...changes);
      return changes.map(() => ({ outcome: reply }));
    },
  } as unknown as HookRecords;
  const hooks = createHooks({
    records,
    sender: createHeldSender().sender,
    rewriteOrigins,
    clock: { now: () => now, setTimeout: () => undefined, clearTimeout: () => undefined },
    onDue: (origin) => due.push(origin),
  });
  const job = (id: string, hookUrl: string): TrackedJob => ({ facts: facts({ id }), fingerprint: () => '', hookUrl });
  return {
    hooks,
    due,
    recorded,
    enqueue: (...urls: string[]) => hooks.enqueue(urls.map((url, i) => job(`j${i}`, url))),
    pass: (ms: number) => {
      now += ms;
    },
    answer: (with_: typeof reply) => {
      reply = with_;
    },
  };
};

test('the pages of a sweep wake the sender of an endpoint once a second, for any number of pages', async () => {
  const { due, enqueue, pass } = createHooksOnDue();
  await enqueue('http://a/x', 'http://a/y', 'http://b/x');
  expect(due).toEqual(['http://a', 'http://b']);
  pass(999);
  await enqueue('http://a/z');
  expect(due).toHaveLength(2);
  pass(1);
  await enqueue('http://a/z');
  expect(due).toEqual(['http://a', 'http://b', 'http://a']);
});

test('a hook that is pending already wakes the sender of its endpoint: its host may be gone', async () => {
  const { due, enqueue, answer } = createHooksOnDue();
  answer('already-pending');
  await enqueue('http://a/x', 'http://a/y');
  expect(due).toEqual(['http://a']);
});

test('parked and deferred hooks wake no sender', async () => {
  const { due, enqueue, answer } = createHooksOnDue();
  answer('parked');
  await enqueue('http://a/x');
  answer('deferred');
  await enqueue('http://b/x');
  expect(due).toEqual([]);
});

test('a moved endpoint is recorded with its new origin, and a blank URL has no endpoint', async () => {
  const { hooks, recorded, enqueue } = createHooksOnDue({ 'http://old': 'https://new.example/base' });
  await enqueue('http://old/x');
  expect(recorded).toEqual([expect.objectContaining({ endpoint: 'https://new.example' })]);
  expect(hooks.endpointFor('http://old/other')).toBe('https://new.example');
  expect(hooks.endpointFor('  ')).toBeUndefined();
  expect(hooks.endpointFor(undefined)).toBeUndefined();
  expect(hooks.endpointFor('no URL')).toBe('nowhere');
});
