/** The traces that a page gets of a job that it watches. */
import { expect, test } from 'vitest';
import type { WatchedMessage } from '../../visualize/protocol.ts';
import { createTestClock } from '../support/clock.ts';
import { useInspector } from '../support/inspectorServer.ts';
import { ackText, second, seedJob } from '../support/jobs.ts';

const { redis, start, page } = useInspector();

test('a watched healthy job is sent once for each sweep that judges it', async () => {
  const revision = second(-600);
  const healthy = { revision, ack: ackText('Running', revision) };
  // The first healthy job of a reaper is always traced. The second one only because it is watched.
  for (const id of ['a', 'b']) await seedJob(redis(), id, healthy);
  const clock = createTestClock();
  const { reaper, url } = await start({}, { clock });
  const client = await page(url);
  const sent = () => client.messages.filter((message): message is WatchedMessage => message.type === 'watched');
  for (const id of ['a', 'b']) await client.ask({ type: 'watch', id });
  await clock.until(() => sent().length === 2);
  for (const sweeps of [1, 2]) {
    await reaper.sweep({ plan: true });
    await clock.until(() => sent().length === 2 + 2 * sweeps);
    for (const { traces } of sent().slice(-2)) expect(traces).toHaveLength(sweeps);
    // Ten more deltas, with an answer after each, so that all of their messages have come.
    for (let i = 0; i < 10; i++) {
      clock.advance(200);
      await client.ask({ type: 'job', id: 'none' });
    }
    expect(sent()).toHaveLength(2 + 2 * sweeps);
  }
});

test('the traces of a watched job are kept until no page watches it, however many other jobs act', async () => {
  await seedJob(redis(), 'mine', { age: 90_000 });
  const { reaper, url } = await start();
  const client = await page(url);
  await client.ask({ type: 'watch', id: 'mine' });
  await reaper.sweep({ plan: true });
  await redis().hdel('t:job_track:inprogress', 'mine');
  for (let i = 0; i < 1_000; i++) await seedJob(redis(), `${i}`, { age: 90_000 });
  await reaper.sweep({ plan: true });
  const traces = async () => (await client.ask({ type: 'job', id: 'mine' })).job?.traces.length;
  expect(await traces()).toBe(1);
  await client.ask({ type: 'unwatch', id: 'mine' });
  expect(await traces()).toBe(0);
});
