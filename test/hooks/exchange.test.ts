import type { Socket } from 'node:net';
import { Pool } from 'undici';
import { expect, test, vi } from 'vitest';
import { exchange, type NoAnswerError } from '../../src/io/hooks/http/exchange.ts';
import { answer, startHostile } from '../support/hostileServers.ts';

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
