/** How many sockets the inspector accepts, and how long a silent one stays open. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { guardSockets, type Sockets } from '../../visualize/sockets.ts';
import { createTestClock, type TestClock } from '../support/clock.ts';

let clock: TestClock;
let server: Server;
let guard: Sockets;
const clients: Socket[] = [];
beforeEach(() => {
  clock = createTestClock();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  guard.close();
  server.close();
  await once(server, 'close');
});

const start = async (answer: RequestListener = (_, response) => void response.end('served')) => {
  server = createServer(answer);
  guard = guardSockets(server, clock);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
};
const open = async (localAddress = '127.0.0.1') => {
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', localAddress });
  clients.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
};
/** Everything that the server sends until it closes the connection. */
const answerOf = async (socket: Socket, request = '') => {
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  if (request !== '') socket.write(request);
  await once(socket, 'close');
  return text;
};
const visit = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const countOpen = () => promisify(server.getConnections.bind(server))();

test('at most 128 sockets are accepted, from all addresses together', async () => {
  await start();
  for (const [last, count] of [
    [1, 90],
    [2, 38],
  ]) {
    await Promise.all(Array.from({ length: count as number }, () => open(`127.0.0.${last}`)));
  }
  expect(await answerOf(await open('127.0.0.3'))).toMatch(/^HTTP\/1\.1 503 /);
  clients[0]?.destroy();
  await vi.waitUntil(async () => (await countOpen()) === 127);
  expect(await answerOf(await open('127.0.0.3'), visit)).toMatch(/^HTTP\/1\.1 200 .*served$/s);
});

test('a refused client gets its answer, and its socket is closed as soon as it has read it', async () => {
  await start();
  await Promise.all(Array.from({ length: 96 }, () => open()));
  // The clock stands still, so no time-out closes these.
  const answers = await Promise.all(Array.from({ length: 8 }, async () => answerOf(await open(), visit)));
  for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 503 .*try again soon\n$/s);
  await vi.waitUntil(async () => (await countOpen()) === 96);
});

test('a closed socket makes room for another one', async () => {
  await start();
  for (let i = 0; i < 200; i++) expect(await answerOf(await open(), visit)).toMatch(/^HTTP\/1\.1 200 /);
});

test('a socket whose answer is not read is closed, although more of it is written', async () => {
  let write = () => {};
  await start((_, response) => {
    write = () => void response.write(Buffer.alloc(500_000));
  });
  const client = await open();
  client.pause().write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const isClosed = async () => {
    write();
    return (await countOpen()) === 0;
  };
  await clock.until(isClosed, 1_000);
  expect(await countOpen()).toBe(0);
});
