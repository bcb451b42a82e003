import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { JobOutcome, ReaperOptions, SweepSummary } from '../../../src/index.ts';
import { SeenIds } from '../../../src/io/jobs/seenIds.ts';
import { hookEndpointFixture, redisFixture } from '../../support/fixture.ts';
import { ackText, second, seedJob } from '../../support/jobs.ts';

const { server, redis, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();

const track = 't:job_track:inprogress';
const bytes = (text: string) => Buffer.from(text, 'latin1');
const putBytes = async (id: Buffer, stats?: Record<string, string | number>) => {
  await redis.hset(track, id, 2);
  if (stats !== undefined) await redis.hset(Buffer.concat([Buffer.from('t:job_stats:'), id]), stats);
};
const dump = async () => {
  const names = (await redis.keysBuffer('*')).filter((name) => !name.includes(':reaper:')).sort(Buffer.compare);
  return Promise.all(
    names.map(async (name) => [name.toString('hex'), (await redis.dumpBuffer(name))?.toString('hex')]),
  );
};
const sweep = async (
  options: Partial<ReaperOptions> = {},
): Promise<{ words: string[]; summary: SweepSummary; lines: string[] }> => {
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
  const reaper = opened.create({ redis: server.url, logger, ...options });
  const words: string[] = [];
  reaper.on('job', ({ id, verdict, reason, outcome }: JobOutcome) => {
    words.push(`${id} ${verdict} ${reason} ${outcome}`);
  });
  const summary = await reaper.sweep();
  return { words: words.sort(), summary, lines };
};

test('fault 120: ids that are not UTF-8 are malformed once in each sweep, with and without stats, and stay unchanged', async () => {
  const at = second(-100_000);
  const stats = { status: 'Success', update_time: at, revision: at, ack: ackText('Success', at) };
  await putBytes(bytes('a\xff'));
  await putBytes(bytes('a\xfe'));
  await putBytes(bytes('b\xc3'), { ...stats, web_hook_url: `${hookEndpoint.url}/200/x` });
  await putBytes(bytes('c\xed\xa0\x80'), stats);
  await seedJob(redis, 'well', { ack: ackText('Running', second(-600)) });
  const before = await dump();
  for (let i = 0; i < 2; i++) {
    const { words, summary, lines } = await sweep();
    expect(words).toEqual([
      'a\\xfe keep malformed kept',
      'a\\xff keep malformed kept',
      'b\\xc3 keep malformed kept',
      'c\\xed\\xa0\\x80 keep malformed kept',
      'well keep ongoing kept',
    ]);
    expect(summary).toMatchObject({ scanned: 5, reasons: { malformed: 4 }, outcomes: { kept: 5 } });
    expect(lines).toHaveLength(4);
  }
  expect(await dump()).toEqual(before);
  expect(hookEndpoint.hooks).toEqual([]);
});

test('fault 120: an id with the character U+FFFD, or any other character, is judged like any other', async () => {
  const ids = ['a\uFFFD', 'é', '\u{1F600}', 'nul\0', 'ß\uFFFD\u0001'];
  for (const id of ids) await redis.hset(track, id, 2);
  await putBytes(bytes('a\xff'));
  const { words } = await sweep();
  expect(words).toEqual([...ids.map((id) => `${id} untrack missing-stats done`), 'a\\xff keep malformed kept'].sort());
  expect(await redis.hkeysBuffer(track)).toEqual([bytes('a\xff')]);
});

test('ids that are not UTF-8 are counted and named beside hung jobs whose ids read the same', async () => {
  const hung = ['a\uFFFD', 'a\\xff'];
  for (const id of hung) await seedJob(redis, id, { age: 100_000 });
  await putBytes(bytes('a\xff'));
  await putBytes(bytes('a\xfe'));
  const { words, summary, lines } = await sweep();
  const malformed = ['a\\xfe', 'a\\xff'].map((id) => `${id} keep malformed kept`);
  expect(words).toEqual([...hung.map((id) => `${id} fail hung done`), ...malformed].sort());
  expect(summary).toMatchObject({ scanned: 4, reasons: { hung: 2, malformed: 2 } });
  expect(lines).toHaveLength(2);
});

test('stats whose id or type is not UTF-8 are of another job, and of another type', async () => {
  for (const id of ['a\uFFFD', 'a\\xff', 'b', 'c']) await seedJob(redis, id, { age: 100_000, name: 'T\uFFFD' });
  for (const id of ['a\uFFFD', 'a\\xff']) await redis.hset(`t:job_stats:${id}`, 'id', bytes('a\xff'));
  await redis.hset('t:job_stats:b', 'name', bytes('T\xff'));
  const reaper = opened.create({ redis: server.url });
  const { verdicts, reasons } = await reaper.sweep({ types: ['T\uFFFD'] });
  expect([verdicts, reasons]).toEqual([
    { keep: 2, fail: 1 },
    { malformed: 2, hung: 1 },
  ]);
  expect(await redis.hget('t:job_stats:a\uFFFD', 'status')).toBe('Running');
});

test('fault 120: explain of a displayed id agrees with a sweep', async () => {
  for (const id of ['a*\xff', 'a*\xfe']) await putBytes(bytes(id));
  const reaper = opened.create({ redis: server.url });
  expect(await reaper.explain('a*\\xff')).toMatchObject({
    isTracked: true,
    verdict: 'keep',
    reason: 'malformed',
    detail: 'the id is not valid UTF-8',
  });
  expect(await reaper.explain('b\\xff')).toMatchObject({
    isTracked: false,
    verdict: 'untrack',
    reason: 'missing-stats',
  });
});

test.each(['update_time', 'check_in_at', 'revision', 'enqueue_time', 'run_at'])(
  'fault 121: a %s beyond 2^53 is malformed, and no sweep sends a hook for it',
  async (field) => {
    for (const [i, value] of ['9007199254740993', '9223372036854775807', '-9007199254740992'].entries()) {
      const at = second(-600);
      const stats = { update_time: at, revision: at, enqueue_time: at, web_hook_url: `${hookEndpoint.url}/200/x` };
      await seedJob(redis, `job-${i}`, { status: 'Success', ...stats, [field]: value });
    }
    const before = await dump();
    for (let i = 0; i < 2; i++) {
      expect((await sweep()).summary).toMatchObject({ scanned: 3, reasons: { malformed: 3 } });
    }
    expect(hookEndpoint.hooks).toEqual([]);
    expect(await dump()).toEqual(before);
  },
);

test('fault 121: the hook of the greatest exact revision is delivered once, and then confirmed', async () => {
  await seedJob(redis, 'a', {
    status: 'Success',
    revision: '9007199254740991',
    web_hook_url: `${hookEndpoint.url}/200/x`,
  });
  expect((await sweep()).words).toEqual(['a refire unacknowledged enqueued']);
  expect((await sweep()).words).toEqual(['a untrack acknowledged done']);
  expect(hookEndpoint.hooks).toHaveLength(1);
});

test('fault 104: a job whose times are all ahead is kept as clock-ahead, counted, and logged once a sweep', async () => {
  const ahead = second(86_400);
  const times = { update_time: ahead, revision: ahead, enqueue_time: ahead };
  await seedJob(redis, 'ahead', { ...times, run_at: 0 });
  await seedJob(redis, 'confirmed', { ...times, ack: ackText('Running', ahead) });
  await seedJob(redis, 'inMs', { update_time: Date.now(), revision: Date.now(), enqueue_time: Date.now() });
  const { words, summary, lines } = await sweep();
  expect(words).toEqual([
    'ahead keep clock-ahead kept',
    'confirmed keep clock-ahead kept',
    'inMs keep clock-ahead kept',
  ]);
  expect(summary.reasons).toEqual({ 'clock-ahead': 3 });
  expect(lines.filter((line) => line.includes('ahead of the clock of Redis'))).toHaveLength(3);
  const { verdict, reason, detail } = await opened.create({ redis: server.url }).explain('ahead');
  expect([verdict, reason, detail]).toEqual(['keep', 'clock-ahead', expect.stringContaining('updateTime is ')]);
});

test('fault 104: a time far ahead does not hide a hung job or make a job recent; a time within the tolerance counts', async () => {
  const old = second(-100_000);
  const olds = { update_time: old, revision: old, enqueue_time: old };
  const far = second(3_600);
  for (const field of ['update_time', 'check_in_at', 'revision', 'enqueue_time']) {
    await seedJob(redis, field, { ...olds, [field]: far });
  }
  await seedJob(redis, 'scheduled', { ...olds, run_at: far, ack: ackText('Running', old) });
  await seedJob(redis, 'near', { ...olds, update_time: second(200), ack: ackText('Running', old) });
  await seedJob(redis, 'final', {
    ...olds,
    status: 'Success',
    update_time: far,
    web_hook_url: `${hookEndpoint.url}/200/x`,
  });
  expect((await sweep()).words).toEqual([
    'check_in_at fail hung done',
    'enqueue_time fail hung done',
    'final refire unacknowledged enqueued',
    'near keep ongoing kept',
    'revision fail hung done',
    'scheduled keep ongoing kept',
    'update_time fail hung done',
  ]);
});

test('fault 104: the tolerance can be set', async () => {
  const old = second(-100_000);
  const fields = { update_time: second(200), revision: old, enqueue_time: old };
  await seedJob(redis, 'a', fields);
  expect((await sweep({ clockTolerance: '60s' })).words).toEqual(['a fail hung done']);
});

test('a known item is remembered for a while after the first generation is full', () => {
  const seen = new SeenIds(7);
  expect([seen.add('first'), seen.add('first')]).toEqual([true, false]);
  const full = Math.ceil(2 ** 20 * 0.7);
  for (let i = 0; i < full; i++) seen.add(`job-${i}`);
  // It is of the old generation now, and so are those that filled it.
  expect([seen.add('first'), seen.add('job-0'), seen.add(`job-${full - 2}`), seen.add('new')]).toEqual([
    false,
    false,
    false,
    true,
  ]);
});
