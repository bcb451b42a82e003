/** When the connection of a page is closed because its pings get no answer. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { watchPage } from '../../visualize/heartbeat.ts';
import { createTestClock } from '../support/clock.ts';

/** The connection of a page that reads nothing from now on, and the page. */
const connectPage = async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[WebSocket]>;
  const page = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    page.terminate();
    server.close();
  });
  const [[connection]] = await Promise.all([accepted, once(page, 'open')]);
  page.pause();
  return { connection, page };
};
/** More than the buffers of a connection hold. */
const large = Buffer.alloc(50_000_000);

test('a page that has data left to read may answer late', async () => {
  const clock = createTestClock();
  const { connection, page } = await connectPage();
  watchPage(connection, clock);
  connection.send(large);
  clock.advance(4_500);
  clock.advance(4_500);
  expect(connection.bufferedAmount).toBeGreaterThan(0);
  expect(connection.readyState).toBe(WebSocket.OPEN);
  const answered = once(connection, 'pong');
  page.resume();
  await answered;
  await vi.waitUntil(() => connection.bufferedAmount === 0);
  expect(connection.readyState).toBe(WebSocket.OPEN);
});

test('a page that has read everything and does not answer is closed', async () => {
  const clock = createTestClock();
  const { connection } = await connectPage();
  watchPage(connection, clock);
  clock.advance(4_500);
  await vi.waitUntil(() => connection.bufferedAmount === 0);
  expect(connection.readyState).toBe(WebSocket.OPEN);
  clock.advance(4_500);
  expect(connection.readyState).not.toBe(WebSocket.OPEN);
});

test('a page that this server has closed, and that keeps its end, is gone after two pings, whatever is sent to it', async () => {
  const clock = createTestClock();
  const { connection } = await connectPage();
  watchPage(connection, clock);
  connection.close(1008);
  connection.send('an answer that comes late');
  expect(connection.bufferedAmount).toBeGreaterThan(0);
  const closed = once(connection, 'close');
  clock.advance(4_500);
  expect(connection.readyState).toBe(WebSocket.CLOSING);
  clock.advance(4_500);
  await closed;
});

test('a page that reads nothing for two pings of the slower interval is closed', async () => {
  const clock = createTestClock();
  const { connection } = await connectPage();
  watchPage(connection, clock);
  connection.send(large);
  clock.advance(15_000);
  expect(connection.readyState).toBe(WebSocket.OPEN);
  clock.advance(15_000);
  expect(connection.readyState).not.toBe(WebSocket.OPEN);
});
