/** What a sender of hooks does with texts, with its claim and with its own stop. */
import { expect, test } from 'vitest';
import type { AttemptRecord } from '../../src/io/hooks/attempts.ts';
import type { ClaimedHook } from '../../src/io/hooks/claims.ts';
import type { HttpReply } from '../../src/io/hooks/http/reply.ts';
import type { HookRecords } from '../../src/io/hooks/records.ts';
import type { HookOutcome } from '../../src/io/hooks/results.ts';
import { createSender } from '../../src/io/hooks/sender.ts';
import type { Connection } from '../../src/io/redis/connection.ts';
import { keysOf } from '../../src/io/redis/keys.ts';
import type { Scripts } from '../../src/io/redis/scripts.ts';

const stats = { id: 'j', name: 'X', status: 'Running', update_time: '100', revision: '7', web_hook_url: 'http://h/x' };
const claimed: ClaimedHook = {
  ...{
    id: 'j',
    endpoint: 'http://h',
    isRequested: false,
    attempt: 1,
    at: 100_000,
    until: 160_000,
    askedAt: 1_000,
    stats,
  },
};

const create = () => {
  let now = 1_000;
  let askedNow = 1_000;
  const posts: string[] = [];
  const outcomes: HookOutcome[] = [];
  const settled: AttemptRecord[] = [];
  let answer: () => Promise<HttpReply> = async () => ({ kind: 'accepted', status: 200 });
  const records = {
    find: async () => undefined,
    async recordAttempt(_: ClaimedHook, attemptRecord: AttemptRecord) {
      settled.push(attemptRecord);
      return 'ok';
    },
  } as unknown as HookRecords;
  const sender = createSender({
    connection: { redis: { hgetall: async () => stats } } as unknown as Connection,
    keys: keysOf('t'),
    scripts: { run: async () => 'ok' } as unknown as Scripts,
    records,
    httpClient: {
      async post(_, body) {
        posts.push(JSON.parse(body).check_in ?? JSON.parse(body).status);
        return answer();
      },
      close: async () => undefined,
    },
    settings: { deadline: 86_400_000, maxAge: 604_800_000, timeout: 30_000 },
    clock: { now: () => now, setTimeout: () => undefined, clearTimeout: () => undefined },
    random: () => 0.5,
    monotonic: () => askedNow,
    onOutcome: (outcome) => outcomes.push(outcome),
  });
  return {
    ...{ sender, posts, outcomes, settled },
    pass(ms: number) {
      now += ms;
    },
    /** The answer to a claim that was asked for at 1,000 is so long on its way. */
    delayAnswer(ms: number) {
      askedNow += ms;
    },
    answerWith(act: typeof answer) {
      answer = act;
    },
    hold: (text: string) => sender.holdText('j', { text, state: { status: 'Running', revision: 7, checkInAt: 9 } }),
  };
};
const taken: HttpReply = { kind: 'accepted', status: 200 };
const busy: HttpReply = { kind: 'retryable', code: 'broken', reason: 'the connection broke' };

test('a text that is being sent with a claim is not sent again as a pending text', async () => {
  const { sender, posts, pass, answerWith, hold } = create();
  hold('half');
  pass(6_000);
  let take = () => {};
  answerWith(() => new Promise((resolve) => (take = () => resolve(taken))));
  const delivering = sender.deliver(claimed);
  await expect.poll(() => posts).toEqual(['half']);
  await sender.deliverPendingTexts();
  expect(posts).toEqual(['half']);
  answerWith(async () => taken);
  take();
  await delivering;
  expect(posts.filter((post) => post === 'half')).toHaveLength(1);
});

test('a hook that was claimed again while it was sent is sent and reported once, and both claims are ended', async () => {
  const { sender, posts, settled, outcomes, answerWith } = create();
  let take = () => {};
  answerWith(() => new Promise((resolve) => (take = () => resolve(taken))));
  const first = sender.deliver(claimed);
  await expect.poll(() => posts).toEqual(['Running']);
  const others = [sender.deliver({ ...claimed, until: 220_000 }), sender.deliver({ ...claimed, until: 280_000 })];
  take();
  await Promise.all([first, ...others]);
  expect(posts).toEqual(['Running']);
  const state = { status: 'Running', revision: 7, checkInAt: 0 };
  expect(settled).toMatchObject(Array(3).fill({ verb: 'delivered', ...state }));
  expect(outcomes).toMatchObject([{ outcome: 'delivered', state }]);
  // What was confirmed is forgotten with the last of them: a person may ask for the same state later.
  answerWith(async () => taken);
  await sender.deliver(claimed);
  expect(posts).toEqual(['Running', 'Running']);
});

test.each([
  ['that has changed meanwhile', taken, { ...stats, revision: '8' }],
  ['whose first attempt has failed', busy, stats],
])('a job %s is sent with its second claim, too', async (_, reply, now) => {
  const { sender, posts, outcomes, answerWith } = create();
  let take = () => {};
  answerWith(() => new Promise((resolve) => (take = () => resolve(reply))));
  const first = sender.deliver(claimed);
  await expect.poll(() => posts).toHaveLength(1);
  const second = sender.deliver({ ...claimed, stats: now });
  answerWith(async () => taken);
  take();
  await Promise.all([first, second]);
  expect(posts).toHaveLength(2);
  expect(outcomes.at(-1)).toMatchObject({ outcome: 'delivered' });
});

test('a pending text is sent once after 5 s, and dropped unsent after 5 minutes', async () => {
  const { sender, posts, pass, hold } = create();
  hold('half');
  pass(4_999);
  await sender.deliverPendingTexts();
  expect(posts).toEqual([]);
  pass(1);
  await sender.deliverPendingTexts();
  await sender.deliverPendingTexts();
  expect(posts).toEqual(['half']);
  hold('late');
  pass(300_001);
  await sender.deliverPendingTexts();
  expect(posts).toEqual(['half']);
});

test('no text and no state is sent if that may take longer than the claim is valid', async () => {
  const { sender, posts, settled, pass, answerWith, hold } = create();
  for (const text of ['one', 'two', 'three']) hold(text);
  // The claim holds for 60 s; each POST takes 20 s of it, and might take 30.
  answerWith(async () => {
    pass(20_000);
    return taken;
  });
  await sender.deliver(claimed);
  expect(posts).toEqual(['one', 'two']);
  expect(settled).toMatchObject([{ verb: 'failed', answer: 'later', delay: 0, isEndpointAlive: true }]);
});

test('nothing is sent with a claim whose reply was so late that a POST could outlast the claim', async () => {
  const { sender, posts, settled, outcomes, delayAnswer } = create();
  delayAnswer(30_000);
  await sender.deliver(claimed);
  expect(posts).toEqual(['Running']);
  delayAnswer(1);
  await sender.deliver(claimed);
  expect(posts).toEqual(['Running']);
  expect(settled).toMatchObject([{ verb: 'delivered' }, { verb: 'unsent' }]);
  expect(outcomes).toHaveLength(1);
});

test('a hook that is interrupted by the stop of this host is not a failure of its endpoint', async () => {
  const { sender, outcomes, settled, answerWith } = create();
  answerWith(async () => {
    sender.stop();
    return busy;
  });
  await sender.deliver(claimed);
  expect(settled).toEqual([]);
  expect(outcomes).toMatchObject([{ outcome: 'failed', reason: 'this host was stopped' }]);
});

test('an answer that came before the stop is still recorded', async () => {
  const { sender, settled, answerWith } = create();
  answerWith(async () => {
    sender.stop();
    return { kind: 'rejected', code: '400', reason: 'the endpoint answered 400' };
  });
  await sender.deliver(claimed);
  expect(settled).toMatchObject([{ verb: 'parked', reason: '400', isEndpointAlive: true }]);
});

test.each([
  [1, 2_000],
  [2, 4_000],
  [5, 32_000],
  [10, 600_000],
  [1_000, 600_000],
])('attempt %d that failed is tried again after %d ms', async (attempt, delay) => {
  const { sender, settled, answerWith } = create();
  answerWith(async () => busy);
  await sender.deliver({ ...claimed, attempt });
  expect(settled).toMatchObject([
    { verb: 'failed', answer: 'broken', delay, deadline: 86_400_000, isEndpointAlive: false },
  ]);
});

test('Retry-After is respected if it is longer than the delay, except from an endpoint that does not know the job', async () => {
  const { sender, settled, answerWith } = create();
  answerWith(async () => ({ ...busy, retryAfter: 50_000 }));
  await sender.deliver(claimed);
  answerWith(async () => ({ ...busy, retryAfter: 50 }));
  await sender.deliver(claimed);
  answerWith(async () => ({ kind: 'unknown', status: 404, reason: 'x' }));
  await sender.deliver(claimed);
  expect(settled).toMatchObject([
    { delay: 50_000 },
    { delay: 2_000 },
    { answer: '404', reason: '404', deadline: 600_000, delay: 2_000, isEndpointAlive: true },
  ]);
});

test('a change that is too old is parked unsent, unless a person requests it', async () => {
  const { sender, posts, settled } = create();
  const at = 1_000 * 100 + 604_800_001;
  await sender.deliver({ ...claimed, at, until: at + 60_000 });
  expect([posts, settled]).toMatchObject([[], [{ verb: 'parked', reason: 'too-old' }]]);
  await sender.deliver({ ...claimed, at, until: at + 60_000, isRequested: true });
  await sender.deliver({ ...claimed, at: at - 1, until: at + 60_000 });
  expect(posts).toEqual(['Running', 'Running']);
});

test('the oldest text is dropped if too many are held', async () => {
  const { sender, posts, pass } = create();
  const state = { status: 'Running', revision: 7, checkInAt: 9 } as const;
  for (let i = 0; i <= 1_000; i++) sender.holdText(`j${i}`, { text: `${i}`, state });
  pass(6_000);
  await sender.deliverPendingTexts();
  expect(posts).toHaveLength(1_000);
  expect(posts).not.toContain('0');
});
