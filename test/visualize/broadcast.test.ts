/** What pages are told, and when: those that read slowly, those that come back, and those that watch a job. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { createBroadcast } from '../../visualize/broadcast.ts';
import type { About } from '../../visualize/protocol.ts';
import type { Recorder } from '../../visualize/recorder.ts';

/** As much of a page's socket as is used. */
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
let looks: (() => void)[];
let looked: number;
let watched: Set<string>;
let moved: string[];
let broadcast: ReturnType<typeof createBroadcast>;

const tick = () => {
  const run = due;
  due = undefined;
  run?.();
};
/** What awaits a look that has ended may go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));
const join = () => {
  const page = createPage();
  broadcast.add(socketOf(page));
  return page;
};
const leave = (page: Page) => broadcast.remove(socketOf(page));

beforeEach(() => {
  [due, parts, rows, looks, looked] = [undefined, { sweep: 0, hooks: 0 }, [], [], 0];
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
      looked += 1;
      return new Promise<void>((resolve, reject) => {
        looks.push(resolve, () => reject(new Error('Redis is away')));
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

test('a first page has a snapshot at once, another one with the next delta, and then both what changes', () => {
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

test('nothing is done while no page is there, and a page that comes after all left has every part', () => {
  leave(join());
  expect(due).toBeUndefined();
  parts = { sweep: 1, hooks: 1 };
  const first = join();
  tick();
  leave(first);
  expect(due).toBeUndefined();
  // The same parts as were sent to the page that left.
  const again = join();
  expect(again.messages.splice(0)).toEqual([expect.objectContaining({ type: 'snapshot', sweep: 1, hooks: 1 })]);
  tick();
  expect(again.messages.splice(0)).toEqual([{ type: 'delta', now: 0, sweep: 1, hooks: 1 }]);
});

test('a page that leaves takes nothing from the others', () => {
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

  test('gets nothing before it has read all, then the whole, and deltas again', () => {
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

  test('with less unread than that it is not slow', () => {
    const page = join();
    tick();
    page.messages.length = 0;
    page.bufferedAmount = 512 * 1_024;
    parts = { ...parts, hooks: 9 };
    tick();
    expect(page.types()).toEqual(['delta']);
  });

  test('is told of the jobs that it watches with the whole, though they moved while it was behind', () => {
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
  test('is followed until the last of them stops, or leaves', () => {
    const [first, second] = [join(), join()];
    for (const page of [first, second]) expect(broadcast.watch(socketOf(page), 'job')).toBe(true);
    broadcast.unwatch(socketOf(first), 'job');
    expect([...watched]).toEqual(['job']);
    leave(second);
    expect([...watched]).toEqual([]);
  });

  test('is sent to those that watch it, once for each time that it moved', () => {
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

  test('is one of twenty at most, and one of them may be asked for again', () => {
    const page = socketOf(join());
    for (let i = 0; i < 20; i++) expect(broadcast.watch(page, `${i}`)).toBe(true);
    expect([broadcast.watch(page, 'one more'), watched.has('one more')]).toEqual([false, false]);
    expect(broadcast.watch(page, '7')).toBe(true);
    expect(broadcast.watch(socketOf(createPage()), 'job')).toBe(false);
  });
});

describe('what only Redis knows', () => {
  test('is looked at once a second', async () => {
    join();
    for (let second = 1; second <= 3; second++) {
      for (let i = 0; i < 5; i++) {
        tick();
        looks.shift()?.();
        looks.length = 0;
        await settle();
      }
      expect(looked).toBe(second);
    }
  });

  test('is not looked at again while Redis has not answered, and is once it has, or could not', async () => {
    join();
    for (let i = 0; i < 20; i++) tick();
    expect(looked).toBe(1);
    looks[0]?.();
    await settle();
    for (let i = 0; i < 5; i++) tick();
    expect(looked).toBe(2);
    looks[3]?.();
    await settle();
    for (let i = 0; i < 5; i++) tick();
    expect(looked).toBe(3);
  });
});

test('the end of the reaper is said to all pages', () => {
  const [first, second] = [join(), join()];
  broadcast.close();
  expect([first.closed, second.closed, due]).toEqual([1001, 1001, undefined]);
});
