/** How long the body of an answer is read. Time passes only where a test says so. */
import type { Dispatcher } from 'undici';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { exchange } from '../../src/io/hooks/http/exchange.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

type Handler = Dispatcher.DispatchHandler;
/** An endpoint whose answer begins when the test says so, and never ends. `isCut`: whether its connection was closed. */
const createEndpoint = () => {
  let handler: Handler | undefined;
  let isCut = false;
  const abort = () => {
    isCut = true;
  };
  const dispatch = (_: unknown, given: Handler) => {
    handler = given;
  };
  const controller = { abort } as unknown as Dispatcher.DispatchController;
  const dispatcher = { dispatch } as unknown as Dispatcher;
  return {
    dispatcher,
    begin: () => handler?.onRequestStart?.(controller, {}),
    answer: (status: number) => handler?.onResponseStart?.(controller, status, {}, ''),
    isCut: () => isCut,
  };
};

test.each([
  ['the rest of the time-out, if that is less than a second', 900, 300],
  ['a second, if the time-out allows more', 100, 1_000],
])('a body is read for %s', async (_, header, left) => {
  const { dispatcher, begin, answer, isCut } = createEndpoint();
  const timeLeft = header < 500 ? 60_000 : header + left;
  const result = exchange(dispatcher, { path: '/', method: 'POST' }, timeLeft, () => false);
  begin();
  vi.advanceTimersByTime(header);
  answer(200);
  vi.advanceTimersByTime(left - 1);
  expect(isCut()).toBe(false);
  vi.advanceTimersByTime(1);
  expect(isCut()).toBe(true);
  expect(await result).toMatchObject({ status: 200 });
});
