import { createWebSocketReceiver } from '@statelyai/inspect';
import { createInspectorServer } from '@statelyai/inspect/server';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { second, seedJob } from '../support/jobs.ts';
import { type Opened, trackOpened } from '../support/reapers.ts';
import { freePort, type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let opened: Opened;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  opened = trackOpened();
  await server.client.flushall();
});
afterEach(() => opened.close());

/** An event as the package's client receives it. */
interface Received {
  readonly type: string;
  readonly name?: string;
  readonly definition?: string;
  readonly sessionId: string;
  readonly rootId: string;
  readonly parentId?: string;
  readonly snapshot?: { value: unknown; status: string; context: Record<string, unknown> };
  readonly event?: { type: string };
}

test("a client of Stately's package receives the supervisor, the lanes and a job's states, and no secrets", async () => {
  const port = await freePort();
  const relay = createInspectorServer({ port, autoOpen: false });
  const received: Received[] = [];
  const receiver = createWebSocketReceiver({ server: `ws://127.0.0.1:${port}` });
  receiver.subscribe((event) => received.push(event as unknown as Received));
  try {
    await seedJob(server.client, 'hung', { age: 90_000, parameters: '{"password":"hunter2"}', check_in: 'hunter2' });
    await seedJob(server.client, 'behind', {
      ack: JSON.stringify({ status: 'Success', revision: second(), hunter2: 'hunter2' }),
    });
    const reaper = opened.create({
      redis: server.url,
      inspect: { port: 0, announce: () => undefined, stately: `ws://127.0.0.1:${port}` },
    });
    await reaper.inspectorUrl();
    await vi.waitUntil(() => received.some(({ name }) => name === 'lane-31'));
    await reaper.sweep();
    const jobs = () => received.filter(({ type, name }) => type === '@xstate.actor' && name === 'job');
    const states = (sessionId: string) =>
      received
        .filter((event) => event.type === '@xstate.snapshot' && event.sessionId === sessionId)
        .map(({ snapshot }) => snapshot?.value);
    await vi.waitUntil(() => jobs().filter(({ sessionId }) => states(sessionId).includes('done')).length === 2);

    const root = received.find(({ type, parentId }) => type === '@xstate.actor' && parentId === undefined);
    expect(JSON.parse(root?.definition as string)).toMatchObject({ id: 'supervisor', initial: 'running' });
    const lane = received.find(({ name }) => name === 'lane-0');
    const sweep = received.find(({ name }) => name === 'sweep');
    expect(sweep).toMatchObject({ parentId: root?.sessionId, rootId: root?.sessionId });
    expect(lane).toMatchObject({ parentId: sweep?.sessionId, rootId: root?.sessionId, snapshot: { value: 'idle' } });
    for (const job of jobs()) {
      expect(Object.keys(JSON.parse(job.definition as string).states)).toContain('compare');
      expect(states(job.sessionId).at(-1)).toBe('done');
    }
    expect(received.some(({ type, event }) => type === '@xstate.event' && event?.type === 'take')).toBe(true);
    expect(JSON.stringify(received)).not.toContain('hunter2');
    expect(
      received.find(({ snapshot }) => snapshot?.context?.facts !== undefined)?.snapshot?.context.facts,
    ).toMatchObject({ stats: 'found' });
  } finally {
    relay.stop();
  }
});

test('an unreachable relay is reported once, and delays neither a sweep nor the stop of the reaper', async () => {
  const port = await freePort();
  await seedJob(server.client, 'hung', { age: 90_000 });
  const reaper = opened.create({
    redis: server.url,
    inspect: { port: 0, announce: () => undefined, stately: `ws://127.0.0.1:${port}` },
  });
  const faults: string[] = [];
  reaper.on('error', ({ where, error }) => faults.push(`${where}: ${error}`));
  await reaper.inspectorUrl();
  await vi.waitUntil(() => faults.length > 0);
  expect((await reaper.sweep()).outcomes).toEqual({ done: 1 });
  await reaper.stop();
  expect(faults).toEqual([expect.stringMatching(/^the relay of Stately: .*ECONNREFUSED.*trying again every 5 s$/)]);
});
