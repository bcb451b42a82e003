import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { Pool } from 'undici';
import { expect, test, vi } from 'vitest';
import { exchange, type NoAnswerError } from '../../src/io/hooks/http/exchange.ts';
import { answer, silent, startHostile } from '../support/hostileServers.ts';

const request = (path: string) => ({ path, method: 'POST' as const, body: 'body' });

test('a request that waited for a connection until its time limit is never sent', async () => {
  const held: Socket[] = [];
  const server = await startHostile((socket) => void held.push(socket));
  const pool = new Pool(`http://${server.host}`, { connections: 1 });
  try {
    const first = exchange(pool, request('/first'), 60_000);
    await vi.waitUntil(() => held.length === 1);
    const second = await exchange(pool, request('/second'), 20).catch((error: NoAnswerError) => error);
    expect(second).toMatchObject({ isLate: true, wasConnected: false });
    const third = exchange(pool, request('/third'), 60_000);
    server.behave = answer(202);
    answer(200)(held[0] as Socket, '');
    expect(await first).toMatchObject({ status: 200 });
    expect(await third).toMatchObject({ status: 202 });
    expect(server.requests.map((text) => text.split(' ')[1])).toEqual(['/first', '/third']);
  } finally {
    await pool.destroy();
    await server.stop();
  }
});

/** An endpoint that answers on request, also while this thread is held up. It sets a cell that both threads see. */
const endpoint = `
  const { createServer } = require('node:http');
  const { parentPort, workerData } = require('node:worker_threads');
  const answer = (_, response) => {
    parentPort.once('message', () => response.end('ok', () => {
      Atomics.store(workerData, 0, 1);
      Atomics.notify(workerData, 0);
    }));
    parentPort.postMessage('asked');
  };
  const server = createServer(answer).listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

test('an answer that came while this process was held up past the time limit counts', async () => {
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(endpoint, { eval: true, workerData: answered });
  const [port] = await once(worker, 'message');
  const pool = new Pool(`http://127.0.0.1:${port}`);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const reply = exchange(pool, request('/'), 10);
    await once(worker, 'message');
    worker.postMessage('answer');
    Atomics.wait(answered, 0, 0);
    vi.advanceTimersByTime(10);
    expect(await reply).toMatchObject({ status: 200 });
  } finally {
    vi.useRealTimers();
    await pool.destroy();
    await worker.terminate();
  }
});

test('a request that is still without a connection at its time limit does not go out in the same turn', async () => {
  const held: Socket[] = [];
  const server = await startHostile((socket) => void held.push(socket));
  const pool = new Pool(`http://${server.host}`, { connections: 1 });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const first = exchange(pool, request('/first'), 60_000);
    await vi.waitUntil(() => held.length === 1);
    const second = exchange(pool, request('/second'), 10).catch((error: NoAnswerError) => error);
    first.then(() => vi.advanceTimersByTime(10));
    answer(200)(held[0] as Socket, '');
    expect(await second).toMatchObject({ isLate: true, wasConnected: false });
    expect(server.requests.map((text) => text.split(' ')[1])).toEqual(['/first']);
  } finally {
    vi.useRealTimers();
    await pool.destroy();
    await server.stop();
  }
});

test.each([
  [10, 600, true],
  [10, 400, false],
  [3_000, 1_600, true],
  [3_000, 1_400, false],
  [60_000, 2_100, true],
  [60_000, 1_900, false],
])('a time limit of %i ms that is noticed %i ms late: the process was held up: %s', async (limit, lag, wasStalled) => {
  const server = await startHostile(silent);
  const pool = new Pool(`http://${server.host}`);
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const failure = exchange(pool, request('/'), limit).catch((error: NoAnswerError) => error);
    clock.mockReturnValue(limit + lag);
    vi.advanceTimersByTime(limit);
    expect(await failure).toMatchObject({ isLate: true, wasStalled });
  } finally {
    vi.useRealTimers();
    clock.mockRestore();
    await pool.destroy();
    await server.stop();
  }
});

test.each([
  [600, true],
  [400, false],
])(
  'a connection that is there %i ms after the time limit, before the timer fires, sends nothing',
  async (lag, wasStalled) => {
    const server = await startHostile(silent);
    const pool = new Pool(`http://${server.host}`);
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const failure = exchange(pool, request('/'), 10).catch((error: NoAnswerError) => error);
      clock.mockReturnValue(10 + lag);
      expect(await failure).toMatchObject({ isLate: true, wasConnected: false, wasStalled });
      expect(server.requests).toEqual([]);
    } finally {
      vi.useRealTimers();
      clock.mockRestore();
      await pool.destroy();
      await server.stop();
    }
  },
);
