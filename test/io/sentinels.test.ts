/** Which sentinel is asked, and until when. The sentinels are real servers that record the questions. */
import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { createSentinels } from '../../src/io/redis/sentinels.ts';
import { bulk, startFakeRedis } from '../support/fakeRedis.ts';
import { flush } from '../support/paths.ts';

afterEach(() => void vi.useRealTimers());

const array = (...items: string[]) => `*${items.length}\r\n${items.join('')}`;
/** A sentinel that names a master at this port, and other sentinels. Without a master it closes each connection. */
const startSentinel = async (master?: number, others: readonly number[] = []) => {
  const asked: string[] = [];
  const fake = await startFakeRedis((name, args, socket) => {
    asked.push(args[0] ?? name);
    if (master === undefined) {
      socket.destroy();
      return undefined;
    }
    if (args[0] === 'get-master-addr-by-name') return array(bulk('127.0.0.1'), bulk(String(master)));
    return array(
      ...others.map((port) =>
        array(...['ip', '127.0.0.1', 'port', String(port), 'flags', 'sentinel'].map((text) => bulk(text))),
      ),
    );
  });
  onTestFinished(() => fake.stop());
  return { ...fake, asked };
};
const sentinelsAt = (ports: readonly number[], more = {}) => {
  const sentinels = createSentinels({
    name: 'm',
    sentinels: ports.map((port) => ({ host: '127.0.0.1', port })),
    ...more,
  });
  onTestFinished(() => sentinels.close());
  return sentinels;
};

test('a sentinel that has answered is asked first from then on', async () => {
  const [down, up] = [await startSentinel(), await startSentinel(6_001)];
  const sentinels = sentinelsAt([down.port, up.port]);
  for (let i = 0; i < 3; i++) expect(await sentinels.resolve()).toEqual({ host: '127.0.0.1', port: 6_001 });
  expect(down.asked).toHaveLength(1);
  expect(up.asked.filter((what) => what === 'get-master-addr-by-name')).toHaveLength(3);
});

test('sentinels that another sentinel has named are asked too, unless updateSentinels is false', async () => {
  const named = await startSentinel(6_002);
  const given = await startSentinel(6_001, [named.port]);
  const [learning, fixed] = [sentinelsAt([given.port]), sentinelsAt([given.port], { updateSentinels: false })];
  for (const each of [learning, fixed]) expect(await each.resolve()).toMatchObject({ port: 6_001 });
  await given.stop();
  expect(await learning.resolve()).toMatchObject({ port: 6_002 });
  await expect(fixed.resolve()).rejects.toThrow('no sentinel can be reached');
});

test('a lost subscription is renewed after a pause, and not after the end', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const listeners = new EventEmitter();
  const fake = await startFakeRedis((name, _, socket) => {
    if (name === 'SUBSCRIBE') listeners.emit('one', socket);
    return undefined;
  });
  onTestFinished(() => fake.stop());
  const sentinels = sentinelsAt([fake.port]);
  const next = async () => ((await once(listeners, 'one')) as [Socket])[0];
  const first = next();
  sentinels.watch(() => undefined);
  (await first).destroy();
  const second = next();
  // The pause begins when the loss is noticed.
  while (vi.getTimerCount() === 0) await flush();
  vi.advanceTimersByTime(5_000);
  const ended = once(await second, 'close');
  sentinels.close();
  await ended;
  await flush();
  expect(vi.getTimerCount()).toBe(0);
  expect(fake.commands).toEqual(['SUBSCRIBE', 'SUBSCRIBE']);
});
