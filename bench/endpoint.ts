/** An endpoint for hooks, run as a process. It counts hooks. GET `/down`, `/up`, `/reset`, `/counts` and `/body` (of the last hook) control it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

let isUp = true;
let hooks = 0;
let ids = new Set<string>();
let first = 0;
let lastBody = '';
let last = 0;

const server = createServer((incoming, response) => {
  if (incoming.method === 'GET') {
    if (incoming.url === '/down') isUp = false;
    if (incoming.url === '/up') isUp = true;
    if (incoming.url === '/reset') [hooks, ids, first] = [0, new Set(), 0];
    if (incoming.url === '/body') return void response.end(lastBody);
    response.end(JSON.stringify({ hooks, ids: ids.size, ms: last - first }));
    return;
  }
  let body = '';
  incoming.on('data', (chunk) => {
    body += chunk;
  });
  incoming.on('end', () => {
    if (!isUp) return void response.writeHead(503).end();
    hooks += 1;
    lastBody = body;
    last = performance.now();
    first ||= last;
    const id: string | undefined = JSON.parse(body).job_id;
    if (id !== undefined) ids.add(id);
    return void response.writeHead(200).end();
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
