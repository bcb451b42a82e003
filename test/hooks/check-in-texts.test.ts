/** The text of a check-in is POSTed once, whichever host sends it and whatever happens in between. */
import { expect, test, vi } from 'vitest';
import type { HttpReply } from '../../src/io/hooks/http/reply.ts';
import { createHookRecords, type HookRecords } from '../../src/io/hooks/records.ts';
import type { HookOutcome } from '../../src/io/hooks/results.ts';
import { createSender } from '../../src/io/hooks/sender.ts';
import { keysOf } from '../../src/io/redis/keys.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { createTestClock } from '../support/clock.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { seedJob } from '../support/jobs.ts';

const { server, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();

const until = (isSo: () => unknown) => vi.waitUntil(isSo, { timeout: 20_000, interval: 5 });
const keys = keysOf('t');
const origin = 'http://h';
const taken: HttpReply = { kind: 'accepted', status: 200 };

/** A sender on a real Redis whose POSTs end when the test says so. */
const world = ({ totalTimeout = 1_000, claimFor = 11_000 } = {}) => {
  const clock = createTestClock();
  const redis = server.client;
  const connection = { redis, description: '', epoch: () => 1, close: async () => undefined };
  const scripts = createScripts(redis);
  const all = createHookRecords({
    connection,
    keys,
    scripts,
    clock,
    settings: { maxRecords: 100, breakerThreshold: 10, drainRate: 50, claimDuration: claimFor },
  });
  /** Why what was sent could not be noted. */
  const refusals: unknown[] = [];
  /** Waits there before it goes on, while it is set. */
  const gate: { find: (() => Promise<void>) | undefined } = { find: undefined };
  const records: HookRecords = {
    ...all,
    async find(id) {
      await gate.find?.();
      return all.find(id);
    },
    recordAttempt: (...given) =>
      all.recordAttempt(...given).catch((error: unknown) => {
        refusals.push(error);
        throw error;
      }),
  };
  const posts: { text: string | undefined; end: (reply: HttpReply) => void }[] = [];
  const outcomes: HookOutcome[] = [];
  const sender = createSender({
    connection,
    keys,
    scripts,
    records,
    httpClient: {
      post: (_, body) =>
        new Promise((end) => {
          posts.push({ text: JSON.parse(body).check_in, end });
        }),
      close: async () => undefined,
    },
    settings: { deadline: 86_400_000, maxAge: 604_800_000, timeout: totalTimeout },
    clock,
    random: () => 0.5,
    onOutcome: (outcome) => outcomes.push(outcome),
  });
  const state = (at: number) => ({ status: 'Running' as const, revision: at, checkInAt: at });
  return {
    clock,
    sender,
    records,
    posts,
    outcomes,
    gate,
    refusals,
    texts: () => posts.map(({ text }) => text),
    async hold(id: string, ...texts: string[]) {
      const at = await seedJob(redis, id, { web_hook_url: `${origin}/x` });
      for (const text of texts) sender.holdText(id, { text, state: state(at) });
    },
    async claim(id: string) {
      await all.enqueue([{ id, state: 'asked:0', endpoint: origin }]);
      const { hooks } = await all.claim(origin, 1);
      return hooks[0] ?? expect.fail('nothing was claimed');
    },
    async answer(n: number, reply: HttpReply = taken) {
      await until(() => posts.length >= n);
      posts[n - 1]?.end(reply);
    },
  };
};

test('fault 147: a claim that arrives while overdue texts are sent waits, and does not send a text again', async () => {
  const { clock, sender, hold, claim, answer, posts, texts, outcomes } = world();
  await hold('a', 'half');
  clock.advance(6_000);
  const left = sender.deliverPendingTexts();
  await until(() => posts.length === 1);
  const delivered = sender.deliver(await claim('a'));
  await answer(1);
  await left;
  // The job has another state by now: that is sent without the text.
  await answer(2);
  await delivered;
  expect(texts()).toEqual(['half', undefined]);
  expect(outcomes).toMatchObject([{ outcome: 'delivered' }]);
});

test('fault 147: overdue texts of a job whose hook is being sent are left for later', async () => {
  const { clock, sender, hold, claim, answer, posts, texts } = world();
  await hold('a', 'half');
  clock.advance(6_000);
  const delivered = sender.deliver(await claim('a'));
  await until(() => posts.length === 1);
  // As where its record was evicted.
  await server.client.del(keys.hooks);
  await sender.deliverPendingTexts();
  expect(texts()).toEqual(['half']);
  await answer(1);
  await answer(2);
  await delivered;
  expect(texts()).toEqual(['half', undefined]);
});

test('fault 147: a claim waits while overdue texts of the same job are sent', async () => {
  const { clock, sender, hold, claim, answer, posts, texts, gate } = world();
  await hold('a', 'half');
  clock.advance(6_000);
  let goOn = () => {};
  const isLooking = new Promise<void>((looks) => {
    gate.find = () =>
      new Promise((go) => {
        goOn = go;
        looks();
      });
  });
  const left = sender.deliverPendingTexts();
  await isLooking;
  const claimed = await claim('a');
  const delivered = sender.deliver(claimed);
  goOn();
  await left;
  await answer(1);
  await answer(2);
  await delivered;
  expect(texts()).toEqual(['half', undefined]);
  expect(posts).toHaveLength(2);
});

test('fault 147: two simultaneous passes for overdue texts send each text once', async () => {
  const { clock, sender, hold, answer, posts, texts } = world();
  await hold('a', 'half');
  await hold('b', 'whole');
  clock.advance(6_000);
  const passes = [sender.deliverPendingTexts(), sender.deliverPendingTexts()];
  await answer(1);
  await answer(2);
  await Promise.all(passes);
  await sender.deliverPendingTexts();
  expect(texts()).toEqual(['half', 'whole']);
  expect(posts).toHaveLength(2);
});

test('fault 147: two simultaneous claims of one job, the first of which has expired, send its text once', async () => {
  const { clock, sender, hold, claim, records, answer, posts, texts } = world();
  await hold('a', 'half');
  const first = sender.deliver(await claim('a'));
  await until(() => posts.length === 1);
  clock.advance(12_000);
  const { hooks } = await records.claim(origin, 1);
  const second = sender.deliver(hooks[0] ?? expect.fail('nothing was claimed'));
  await answer(1);
  // The first has no time left for the state, which the second tells.
  await answer(2);
  await Promise.all([first, second]);
  expect(texts()).toEqual(['half', undefined]);
});

test('fault 147: a claim waits for at most one overdue text, and the other texts are sent with it in order', async () => {
  const { clock, sender, hold, claim, answer, posts, texts } = world();
  await hold('a', 'one', 'two', 'three');
  clock.advance(6_000);
  const left = sender.deliverPendingTexts();
  await until(() => posts.length === 1);
  const delivered = sender.deliver(await claim('a'));
  await answer(1);
  await left;
  for (const n of [2, 3, 4]) await answer(n);
  await delivered;
  expect(texts()).toEqual(['one', 'two', 'three', undefined]);
});

test('fault 147: no text is sent that could take longer than the claim lasts', async () => {
  const { clock, sender, hold, claim, answer, posts, texts } = world();
  await hold('a', 'one', 'two', 'three');
  const claimed = await claim('a');
  const delivered = sender.deliver(claimed);
  await until(() => posts.length === 1);
  clock.advance(5_000);
  await answer(1);
  await until(() => posts.length === 2);
  // Half a second less is left than a POST may take.
  clock.advance(5_500);
  await answer(2);
  await delivered;
  expect(texts()).toEqual(['one', 'two']);
  const again = sender.deliver(await claim('a'));
  await answer(3);
  await again;
  expect(texts()).toEqual(['one', 'two', 'three']);
});

test('fault 147: a claim that expired while it waited sends nothing, counts no attempt and is due again', async () => {
  const { clock, sender, hold, claim, answer, posts, texts, records } = world();
  await hold('a', 'half');
  clock.advance(6_000);
  const left = sender.deliverPendingTexts();
  await until(() => posts.length === 1);
  const delivered = sender.deliver(await claim('a'));
  clock.advance(10_500);
  await answer(1);
  await Promise.all([left, delivered]);
  expect(texts()).toEqual(['half']);
  expect(await records.find('a')).toMatchObject({ state: 'pending', attempts: 0 });
});

test('fault 147: a text whose ACK could not be stored is not sent again, and neither is its state', async () => {
  const { clock, sender, records, answer, posts, texts, refusals, outcomes } = world();
  const at = await seedJob(server.client, 'a', { web_hook_url: `${origin}/x`, check_in_at: 7 });
  sender.holdText('a', { text: 'half', state: { status: 'Running', revision: at, checkInAt: 7 } });
  await records.enqueue([{ id: 'a', state: 'asked:0', endpoint: origin }]);
  const { hooks } = await records.claim(origin, 1);
  const delivered = sender.deliver(hooks[0] ?? expect.fail('nothing was claimed'));
  await until(() => posts.length === 1);
  // What is sent by then is taken, and cannot be noted: writes are refused, for a moment.
  await server.client.config('SET', 'min-replicas-to-write', 1);
  await answer(1);
  await until(() => refusals.length > 0);
  await server.client.config('SET', 'min-replicas-to-write', 0);
  let isDelivered = false;
  void delivered.then(() => {
    isDelivered = true;
  });
  await clock.until(() => isDelivered);
  expect(texts()).toEqual(['half']);
  expect(outcomes).toMatchObject([{ outcome: 'delivered' }]);
});

test('fault 147: through the public API: a slow endpoint gets each of many check-ins once', async () => {
  const clock = createTestClock();
  const reaper = opened.create({ redis: server.url, clock });
  const waiting: (() => void)[] = [];
  hookEndpoint.hooks.length = 0;
  hookEndpoint.answer = (_, response) => waiting.push(() => response.writeHead(200).end());
  reaper.start();
  const job = await reaper.lifecycle.save({ id: 'a', name: 'X', webHookUrl: `${hookEndpoint.url}/200` });
  await job.run();
  const texts = Array.from({ length: 12 }, (_, i) => `text ${i}`);
  for (const text of texts) await job.checkIn(text);
  await job.succeed();
  // Passes for left texts come while the endpoint still thinks.
  await clock.until(async () => {
    waiting.shift()?.();
    return (await server.client.hget('t:job_stats:a', 'ack'))?.includes('Success');
  }, 600);
  const heard = hookEndpoint.hooks.map(({ body }) => body.check_in).filter((text) => text !== undefined);
  expect(heard).toEqual(texts);
  hookEndpoint.answer = undefined;
});
