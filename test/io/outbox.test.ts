/** The room for hooks in flight, which no endpoint takes for itself, and what a sweep notes of endpoints. */
import { expect, test } from 'vitest';
import type { Courier } from '../../src/io/courier.ts';
import type { Claimed, HookRecords } from '../../src/io/hookRecords.ts';
import { createHooks, createOutbox } from '../../src/io/hooks.ts';
import type { TrackedJob } from '../../src/machines/facts.ts';
import { facts } from '../support/facts.ts';

/** A courier that sends nothing before the test says so. */
const createHeldCourier = () => {
  const ends: (() => void)[] = [];
  const courier: Courier = {
    deliver: () => new Promise<void>((resolve) => ends.push(resolve)),
    hold: () => undefined,
    stop: () => undefined,
    deliverLeft: async () => undefined,
  };
  return { courier, endOne: () => ends.shift()?.() };
};
const claimedFor = (origin: string, count: number): Claimed[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ id: `${origin} ${i}`, origin, isAsked: false, attempt: 1, at: 0, until: 1, askedAt: 0, stats: {} },
  }));

test('an endpoint that is new gets half of what is free, one that has some in flight leaves a quarter for others', () => {
  const outbox = createOutbox(createHeldCourier().courier, 64);
  expect(outbox.reserve('http://slow', 1_000)).toBe(32);
  expect(outbox.reserve('http://slow', 1_000)).toBe(16);
  expect(outbox.reserve('http://slow', 1_000)).toBe(0);
  expect(outbox.reserve('http://other', 1_000)).toBe(8);
  expect(outbox.reserve('http://third', 3)).toBe(3);
  expect(outbox.reserve('http://fourth', 1_000)).toBe(3);
});

test('the last free place is given to an endpoint that has none in flight', () => {
  const outbox = createOutbox(createHeldCourier().courier, 1);
  expect(outbox.reserve('http://a', 5)).toBe(1);
  expect(outbox.reserve('http://b', 5)).toBe(0);
  outbox.release('http://a', 1);
  expect(outbox.reserve('http://b', 5)).toBe(1);
});

test('what was reserved and not claimed is free again, and so is what was sent', async () => {
  const { courier, endOne } = createHeldCourier();
  const outbox = createOutbox(courier, 8);
  expect(outbox.reserve('http://a', 8)).toBe(4);
  outbox.release('http://a', 2);
  let ended = 0;
  outbox.send(claimedFor('http://a', 2), () => ended++);
  expect(outbox.inFlight).toBe(2);
  expect(outbox.reserve('http://b', 8)).toBe(3);
  outbox.release('http://b', 3);
  endOne();
  endOne();
  await outbox.idle();
  await expect.poll(() => ended).toBe(2);
  // Nothing of it is in flight: it is treated as new.
  expect(outbox.reserve('http://a', 8)).toBe(4);
});

const createNotes = (moved: Record<string, string> = {}) => {
  const due: string[] = [];
  let now = 0;
  const noted: { readonly id: string; readonly origin: string }[] = [];
  let reply: 'queued' | 'parked' | 'deferred' = 'queued';
  const records = {
    async enqueue(changes: readonly { readonly id: string; readonly origin: string }[]) {
      noted.push(...changes);
      return changes.map(() => reply);
    },
  } as unknown as HookRecords;
  const hooks = createHooks({
    records,
    courier: createHeldCourier().courier,
    moved,
    clock: { now: () => now, setTimeout: () => undefined, clearTimeout: () => undefined },
    tellDue: (origin) => due.push(origin),
  });
  const job = (id: string, hookUrl: string): TrackedJob => ({ facts: facts({ id }), fingerprint: '', hookUrl });
  return {
    hooks,
    due,
    noted,
    enqueue: (...urls: string[]) => hooks.enqueue(urls.map((url, i) => job(`j${i}`, url))),
    pass: (ms: number) => {
      now += ms;
    },
    answer: (with_: typeof reply) => {
      reply = with_;
    },
  };
};

test('the pages of a sweep wake the sender of an endpoint once a second, however many they are', async () => {
  const { due, enqueue, pass } = createNotes();
  await enqueue('http://a/x', 'http://a/y', 'http://b/x');
  expect(due).toEqual(['http://a', 'http://b']);
  pass(999);
  await enqueue('http://a/z');
  expect(due).toHaveLength(2);
  pass(1);
  await enqueue('http://a/z');
  expect(due).toEqual(['http://a', 'http://b', 'http://a']);
});

test('what was parked or deferred wakes no sender', async () => {
  const { due, enqueue, answer } = createNotes();
  answer('parked');
  await enqueue('http://a/x');
  answer('deferred');
  await enqueue('http://b/x');
  expect(due).toEqual([]);
});

test('an endpoint that has moved is noted where it is now, and one of blanks is none', async () => {
  const { hooks, noted, enqueue } = createNotes({ 'http://old': 'https://new.example/base' });
  await enqueue('http://old/x');
  expect(noted).toEqual([expect.objectContaining({ origin: 'https://new.example' })]);
  expect(hooks.originFor('http://old/other')).toBe('https://new.example');
  expect(hooks.originFor('  ')).toBeUndefined();
  expect(hooks.originFor(undefined)).toBeUndefined();
  expect(hooks.originFor('no URL')).toBe('nowhere');
});
