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
