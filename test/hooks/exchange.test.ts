import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { Pool } from 'undici';
import { expect, test, vi } from 'vitest';
import { exchange, type NoAnswerError } from '../../src/io/hooks/http/exchange.ts';
import { answer, startHostile } from '../support/hostileServers.ts';

const never = () => false;
const request = (path: string) => ({ path, method: 'POST' as const, body: 'body' });

test('a request that waited for a connection until its time limit is never sent', async () => {
  const held: Socket[] = [];
  const server = await startHostile((socket) => void held.push(socket));
  const pool = new Pool(`http://${server.host}`, { connections: 1 });
  try {
    const first = exchange(pool, request('/first'), 60_000, never);
    await vi.waitUntil(() => held.length === 1);
    const second = await exchange(pool, request('/second'), 20, never).catch((error: NoAnswerError) => error);
    expect(second).toMatchObject({ isLate: true, wasConnected: false });
    const third = exchange(pool, request('/third'), 60_000, never);
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

/** An endpoint that answers after a message, even while this thread is blocked. Then it sets a cell that both threads share. */
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
    // A minute, because a request that gets its connection after its time limit is not sent.
    const reply = exchange(pool, request('/'), 60_000, never);
    await once(worker, 'message');
    worker.postMessage('answer');
    Atomics.wait(answered, 0, 0);
    vi.advanceTimersByTime(60_000);
    expect(await reply).toMatchObject({ status: 200 });
  } finally {
    vi.useRealTimers();
    await pool.destroy();
    await worker.terminate();
  }
});

test.each([0, 60, 2_001])(
  'a connection that is noticed %i ms after the time limit, before the time-out: nothing is sent, for this process was held up',
  async (lag) => {
    const held: Socket[] = [];
    const server = await startHostile((socket) => void held.push(socket));
    const pool = new Pool(`http://${server.host}`, { connections: 1 });
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    try {
      const first = exchange(pool, request('/first'), 120_000, never);
      await vi.waitUntil(() => held.length === 1);
      const second = exchange(pool, request('/second'), 60_000, never).catch((error: NoAnswerError) => error);
      clock.mockReturnValue(60_000 + lag);
      answer(200)(held[0] as Socket, '');
      expect(await second).toMatchObject({ isLate: true, wasConnected: false, wasStalled: true });
      expect(await first).toMatchObject({ status: 200 });
      expect(server.requests.map((text) => text.split(' ')[1])).toEqual(['/first']);
    } finally {
      clock.mockRestore();
      await pool.destroy();
      await server.stop();
    }
  },
);
