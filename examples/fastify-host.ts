/**
 * A Fastify server with a reaper in it. The probes, the metrics and the inspector are routes of the server, and the reaper
 * writes to the server's log. SIGTERM and SIGINT end both.
 *
 *   REAPER_REDIS, REAPER_NAMESPACE       Redis and namespace
 *   PORT                                 port of the server (3000)
 */
import { fastify } from 'fastify';
import { createReaper } from '../src/index.ts';
import { createInspector } from '../src/inspector.ts';
import { need } from './environment.ts';

const app = fastify({ logger: true, forceCloseConnections: true });
const reaper = createReaper({
  redis: need('REAPER_REDIS'),
  namespace: need('REAPER_NAMESPACE'),
  logger: app.log.child({ part: 'reaper' }),
});

app.get('/livez', (_, reply) => {
  const { isLive, detail } = reaper.health();
  return reply.code(isLive ? 200 : 503).send({ isLive, detail });
});
app.get('/readyz', (_, reply) => {
  const { isReady, detail } = reaper.health();
  return reply.code(isReady ? 200 : 503).send({ isReady, detail });
});
app.get('/metrics', async (_, reply) => reply.type('text/plain; version=0.0.4').send(await reaper.metrics()));

const inspector = await createInspector(reaper, { path: '/inspector' });
// Without Fastify's log of requests: the first URL has the token.
app.get('/inspector/*', { logLevel: 'silent' }, (request, reply) => {
  reply.hijack();
  inspector.handle(request.raw, reply.raw);
});
app.server.on('upgrade', (request, socket, head) => {
  if (request.url === '/inspector/socket') inspector.upgrade(request, socket, head);
  else socket.destroy();
});

app.addHook('onClose', async () => {
  inspector.close();
  await reaper.stop({ timeout: '10s' });
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void app.close());

reaper.start();
const address = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3_000) });
console.error(`inspector: ${address}/inspector/?token=${inspector.token}`);
