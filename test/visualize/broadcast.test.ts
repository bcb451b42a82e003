/** What pages receive, and when: new pages, slow pages, and pages that watch a job. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { createBroadcast } from '../../visualize/broadcast.ts';
import type { About } from '../../visualize/protocol.ts';
import type { Recorder } from '../../visualize/recorder.ts';

/** The parts of a page's socket that are used. */
const createPage = () => {
  const messages: { readonly type: string; readonly [key: string]: unknown }[] = [];
  const page = {
    messages,
    bufferedAmount: 0,
    closed: undefined as number | undefined,
    send: (text: string) => messages.push(JSON.parse(text)),
    close(code: number) {
      page.closed = code;
    },
    types: () => messages.splice(0).map(({ type }) => type),
  };
  return page;
};
type Page = ReturnType<typeof createPage>;
const socketOf = (page: Page) => page as unknown as WebSocket;

let due: (() => void) | undefined;
let parts: Record<string, unknown>;
let rows: { readonly number: number }[];
let pending: (() => void)[];
let reads: number;
let watched: Set<string>;
let moved: string[];
let broadcast: ReturnType<typeof createBroadcast>;

const tick = () => {
  const run = due;
  due = undefined;
  run?.();
};
/** Lets promises run that wait for a finished read from Redis. */
const settle = () => new Promise((resolve) => setImmediate(resolve));
const join = () => {
  const page = createPage();
  broadcast.add(socketOf(page));
  return page;
};
const leave = (page: Page) => broadcast.remove(socketOf(page));

beforeEach(() => {
  [due, parts, rows, pending, reads] = [undefined, { sweep: 0, hooks: 0 }, [], [], 0];
  [watched, moved] = [new Set(), []];
  const recorder = {
    traces: {
      watch(id: string) {
        watched.add(id);
        moved.push(id);
      },
      unwatch: (id: string) => watched.delete(id),
      takeMoved: () => moved.splice(0),
      of: (id: string) => [{ id }],
    },
    parts: () => parts,
    rings: (mark?: { readonly last: number }) => ({ acts: rows.filter(({ number }) => number > (mark?.last ?? 0)) }),
    mark: () => ({ last: rows.length }),
    refresh() {
      reads += 1;
      return new Promise<void>((resolve, reject) => {
        pending.push(resolve, () => reject(new Error('Redis is unreachable')));
      });
    },
  } as unknown as Recorder;
  broadcast = createBroadcast(recorder, {} as About, {
    now: () => 0,
    setTimeout(fn) {
      due = fn;
      return fn;
    },
    clearTimeout(id) {
      if (due === id) due = undefined;
    },
  });
});

test('the first page gets a snapshot at once, the second one with the next delta, and then both get deltas', () => {
  const first = join();
  expect(first.types()).toEqual(['snapshot']);
  const second = join();
  expect(second.types()).toEqual([]);
  parts = { sweep: 1, hooks: 0 };
  tick();
  expect([first.messages[0]?.type, second.types()]).toEqual(['delta', ['snapshot']]);
  first.messages.length = 0;
  rows.push({ number: 1 });
  parts = { sweep: 1, hooks: 2 };
  tick();
  for (const page of [first, second])
    expect(page.messages.splice(0)).toEqual([{ type: 'delta', now: 0, hooks: 2, acts: [{ number: 1 }] }]);
  tick();
  expect([first.types(), second.types()]).toEqual([[], []]);
});

test('nothing runs without a page, and a page that opens after all others have closed gets every part, and each row once', () => {
  leave(join());
  expect(due).toBeUndefined();
  parts = { sweep: 1, hooks: 1 };
  const first = join();
  tick();
  leave(first);
  expect(due).toBeUndefined();
  rows.push({ number: 1 });
  // The same parts as in the delta to the closed page.
  const again = join();
  const acts = [{ number: 1 }];
  expect(again.messages.splice(0)).toEqual([expect.objectContaining({ type: 'snapshot', sweep: 1, hooks: 1, acts })]);
  tick();
  expect(again.messages.splice(0)).toEqual([{ type: 'delta', now: 0, sweep: 1, hooks: 1 }]);
});

test('a page that closes does not affect the others', () => {
  const [first, second] = [join(), join()];
  tick();
  first.messages.length = 0;
  leave(second);
  parts = { sweep: 5, hooks: 0 };
  tick();
  expect(first.types()).toEqual(['delta']);
});

describe('a page that reads slowly', () => {
  const fall = (page: Page) => {
    page.bufferedAmount = 512 * 1_024 + 1;
    parts = { ...parts, sweep: Number(parts.sweep) + 1 };
    tick();
    page.messages.length = 0;
  };

  test('gets nothing until it has read everything, then a snapshot, then deltas again', () => {
    const page = join();
    tick();
    fall(page);
    for (const unread of [512 * 1_024, 1]) {
      page.bufferedAmount = unread;
      tick();
      expect(page.types()).toEqual([]);
    }
    page.bufferedAmount = 0;
    tick();
    expect(page.types()).toEqual(['snapshot']);
    parts = { ...parts, hooks: 9 };
    tick();
    expect(page.types()).toEqual(['delta']);
  });

  test('still gets deltas while it has less unread data than the limit', () => {
    const page = join();
    tick();
    page.messages.length = 0;
    page.bufferedAmount = 512 * 1_024;
    parts = { ...parts, hooks: 9 };
    tick();
    expect(page.types()).toEqual(['delta']);
  });

  test('gets the traces of watched jobs with its snapshot, if they changed while it was slow', () => {
    const [slow, quick] = [join(), join()];
    tick();
    broadcast.watch(socketOf(slow), 'job');
    tick();
    expect(slow.types()).toContain('watched');
    fall(slow);
    moved.push('job');
    tick();
    expect(slow.types()).toEqual([]);
    slow.bufferedAmount = 0;
    quick.messages.length = 0;
    tick();
    expect(slow.messages.splice(0)).toEqual([
      expect.objectContaining({ type: 'snapshot' }),
      { type: 'watched', id: 'job', traces: [{ id: 'job' }] },
    ]);
    expect(quick.types()).toEqual([]);
  });
});

describe('a job that pages watch', () => {
  test('is followed until the last page stops watching it or closes', () => {
    const [first, second] = [join(), join()];
    for (const page of [first, second]) expect(broadcast.watch(socketOf(page), 'job')).toBe(true);
    broadcast.unwatch(socketOf(first), 'job');
    expect([...watched]).toEqual(['job']);
    leave(second);
    expect([...watched]).toEqual([]);
  });

  test('is sent only to pages that watch it, once for each change', () => {
    const [watching, other] = [join(), join()];
    tick();
    broadcast.watch(socketOf(watching), 'job');
    tick();
    for (const page of [watching, other]) page.messages.length = 0;
    moved.push('job', 'another');
    tick();
    expect([watching.types(), other.types()]).toEqual([['watched'], []]);
    tick();
    expect(watching.types()).toEqual([]);
  });

  test('is one of at most twenty for each page, and can be requested again', () => {
    const page = socketOf(join());
    for (let i = 0; i < 20; i++) expect(broadcast.watch(page, `${i}`)).toBe(true);
    expect([broadcast.watch(page, 'another'), watched.has('another')]).toEqual([false, false]);
    expect(broadcast.watch(page, '7')).toBe(true);
    expect(broadcast.watch(socketOf(createPage()), 'job')).toBe(false);
  });
});

describe('the data that comes from Redis', () => {
  test('is read once a second', async () => {
    join();
    for (let second = 1; second <= 3; second++) {
      for (let i = 0; i < 5; i++) {
        tick();
        pending.shift()?.();
        pending.length = 0;
        await settle();
      }
      expect(reads).toBe(second);
    }
  });

  test('is not read again before Redis has answered or failed', async () => {
    join();
    for (let i = 0; i < 20; i++) tick();
    expect(reads).toBe(1);
    pending[0]?.();
    await settle();
    for (let i = 0; i < 5; i++) tick();
    expect(reads).toBe(2);
    pending[3]?.();
    await settle();
    for (let i = 0; i < 5; i++) tick();
    expect(reads).toBe(3);
  });
});

test('all pages are closed when the reaper stops', () => {
  const [first, second] = [join(), join()];
  broadcast.close();
  expect([first.closed, second.closed, due]).toEqual([1001, 1001, undefined]);
});
