/** A sweep that passes over plainly ongoing jobs does and counts the same as one that judges each of them. A real Redis. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JobOutcome, ReaperOptions, SweepOptions, SweepSummary } from '../../../src/index.ts';
import { redisFixture } from '../../support/fixture.ts';
import { ackText, second, seedJob } from '../../support/jobs.ts';
import { readState, repliesOf, type State } from '../../support/states.ts';

const { server, redis, opened, keys } = await redisFixture();

type Fields = Record<string, string | number>;

const sweep = async (screen: boolean, sweepOptions: SweepOptions = {}, options: Partial<ReaperOptions> = {}) => {
  const reaper = opened.create({ redis, ...options, sweep: { ...options.sweep, screen } });
  const outcomes = new Map<string, string>();
  const counts = new Map<string, number>();
  const count = (type: string, more: number) => counts.set(type, (counts.get(type) ?? 0) + more);
  reaper.on('job', ({ id, verdict, reason, outcome, facts }: JobOutcome) => {
    outcomes.set(`${id}${facts.hasBrokenId ? ' (broken)' : ''}`, `${verdict} ${reason} ${outcome}`);
    count(`${verdict} ${reason} ${facts.name}`, 1);
  });
  let screened = 0;
  reaper.on('screened', ({ count: all, types }) => {
    screened += all;
    for (const [type, some] of Object.entries(types)) count(`keep ongoing ${type}`, some);
  });
  const { durationMs: _, hooks: __, screened: reported = 0, ...summary } = await reaper.sweep(sweepOptions);
  const metrics = (await reaper.metrics()).match(/^jobservice_reaper_job\w+_total\{.*$/gm);
  await reaper.stop({ timeout: 0 });
  expect(reported).toBe(screened);
  return { outcomes, counts, summary, screened, metrics: metrics?.toSorted() };
};

/** Both sweeps as plans, which change nothing. Returns the ids that were passed over. */
const screenedIds = async (options: Partial<ReaperOptions> = {}): Promise<string[]> => {
  const [all, some] = [await sweep(false, { plan: true }, options), await sweep(true, { plan: true }, options)];
  expect(some.summary).toEqual(all.summary satisfies Partial<SweepSummary>);
  expect(some.counts).toEqual(all.counts);
  expect(some.metrics).toEqual(all.metrics);
  for (const [id, outcome] of some.outcomes) expect([id, outcome]).toEqual([id, all.outcomes.get(id)]);
  const ids = [...all.outcomes.keys()].filter((id) => !some.outcomes.has(id));
  for (const id of ids) expect([id, all.outcomes.get(id)]).toEqual([id, 'keep ongoing kept']);
  expect([all.screened, some.screened]).toEqual([0, ids.length]);
  return ids;
};

const at = second(-600);
const old = second(-100_000);
/** A job as the jobservice writes it, acknowledged. */
const put = async (id: string, { ack, ...fields }: Fields = {}) => {
  const all = { run_at: 0, web_hook_url: 'http://127.0.0.1:1/x', ...fields };
  const { status = 'Running', revision = at, check_in_at: checkIn = 0 } = all as Fields;
  await seedJob(redis, id, {
    revision,
    ...all,
    ack: ack ?? ackText(String(status), Number(revision), Number(checkIn)),
  });
};

const ongoing: Readonly<Record<string, Fields>> = {
  'that runs': {},
  'that waits': { status: 'Pending' },
  'that is scheduled': { status: 'Scheduled' },
  'with a check-in': { check_in_at: at + 1 },
  'with a check-in of 0': { check_in_at: 0 },
  'that has only a recent update': { revision: old, enqueue_time: old },
  'that has only a recent check-in': { revision: old, enqueue_time: old, update_time: old, check_in_at: at },
  'that has only a recent attempt': { enqueue_time: old, update_time: old },
  'that was enqueued recently': { revision: old, update_time: old },
  'that is to run later': { ...{ revision: old, update_time: old, enqueue_time: old }, run_at: second(9_999_999) },
  'with a time that is ahead within the tolerance': { update_time: second(200) },
  'of any kind': { kind: 'Periodic' },
  'without an endpoint': { web_hook_url: '' },
  'of a type with any printable characters': { name: `a b:~!'"\\%${'x'.repeat(100)}` },
};
const unusual: Readonly<Record<string, Fields>> = {
  'that is final': { status: 'Success' },
  'of an unknown status': { status: 'Odd', ack: ackText('Running', at) },
  'that is not acknowledged': { ack: '' },
  'acknowledged with another status': { ack: ackText('Pending', at) },
  'acknowledged with a later status': { ack: ackText('Success', at) },
  'acknowledged with another revision': { ack: ackText('Running', at - 1) },
  'acknowledged with a newer revision': { ack: ackText('Running', at + 1) },
  'acknowledged with an older check-in': { check_in_at: at, ack: ackText('Running', at, at - 1) },
  'acknowledged with a check-in that it has not': { ack: ackText('Running', at, at) },
  'acknowledged in another form': { ack: JSON.stringify({ revision: at, status: 'Running', check_in_at: 0 }) },
  'acknowledged without a check-in': { ack: JSON.stringify({ status: 'Running', revision: at }) },
  'that is silent': { revision: old, update_time: old, enqueue_time: old },
  'with a time too far ahead': { update_time: second(3_600) },
  'with a check-in too far ahead': { check_in_at: second(3_600) },
  'with an attempt too far ahead': { revision: second(3_600) },
  'that was enqueued too far ahead': { enqueue_time: second(3_600) },
  'with the id of another job': { id: 'k' },
  'without its id': { id: '' },
  'with a longer id': { id: '-with a longer id' },
  'without a type': { name: '' },
  'of a type that is not ASCII': { name: 'é' },
  'of a type with a control character': { name: 'a\nb' },
  'of a very long type': { name: 'x'.repeat(129) },
  ...Object.fromEntries(
    ['update_time', 'enqueue_time', 'run_at'].flatMap((field) =>
      ['', ' 1', '1 ', '-1', '+1', '1.5', '1e3', '0x10', '007', '1234567890123456', '99999999999999999999', 'x'].map(
        (value) => [`with a ${field} of '${value}'`, { [field]: value }],
      ),
    ),
  ),
  ...Object.fromEntries(
    ['007', '1e3', '0x10', '-1', '1.0', '+1'].flatMap((value) => [
      [
        `with a revision of '${value}'`,
        { revision: value, ack: `{"status":"Running","revision":${value},"check_in_at":0}` },
      ],
      [
        `with a check-in of '${value}'`,
        { check_in_at: value, ack: `{"status":"Running","revision":${at},"check_in_at":${value}}` },
      ],
    ]),
  ),
};

test('every job that is plainly ongoing is passed over', async () => {
  for (const [id, fields] of Object.entries(ongoing)) await put(id, fields);
  expect((await screenedIds()).toSorted()).toEqual(Object.keys(ongoing).toSorted());
});

test('every job that is not, or that is unusual in any way, is judged', async () => {
  for (const [id, fields] of Object.entries(unusual)) await put(id, fields);
  for (const field of ['status', 'name', 'id', 'ack', 'update_time', 'revision', 'enqueue_time', 'run_at']) {
    await put(`no ${field}`);
    await redis.hdel(keys.stats(`no ${field}`), field);
  }
  await redis.hset(keys.track, 'no stats', 2, 'stats that are no hash', 2, Buffer.from([0x61, 0xff]), 2);
  await redis.set(keys.stats('stats that are no hash'), 'x');
  expect(await screenedIds()).toEqual([]);
});

test('the limits are those of the sweep: of all types, and of one', async () => {
  const times = { update_time: second(-500), revision: second(-500), enqueue_time: second(-500) };
  for (const name of ['X', 'SLOW', 'QUICK', 'constructor', '__proto__', 'é']) await put(name, { ...times, name });
  const hungAfterByType = { SLOW: '1h', QUICK: '400s', ['__proto__']: '401s', é: '1h' } as const;
  expect((await screenedIds({ hungAfter: '10m', hungAfterByType })).toSorted()).toEqual(
    ['SLOW', 'X', 'constructor', 'é'].toSorted(),
  );
  expect((await screenedIds({ hungAfter: '5m', hungAfterByType })).toSorted()).toEqual(['SLOW', 'é']);
  await redis.hset(keys.stats('X'), 'update_time', second(90));
  expect(await screenedIds({ hungAfter: '10m', clockTolerance: '60s' })).not.toContain('X');
});

test.each([100, 1_000])(
  'jobs with ids of any characters are passed over, in pages of %i, each once',
  async (pageSize) => {
    const ids = ['é', 'a\uFFFD', '\u{1F600}', 'nul\0', 'a:b', ...Array.from({ length: 700 }, (_, i) => `job-${i}`)];
    for (const id of ids) await put(id, { name: `T${id.length}` });
    await put('odd', { ack: '' });
    expect((await screenedIds({ sweep: { pageSize } })).toSorted()).toEqual(ids.toSorted());
  },
);

test('where values are large, the jobs that are passed over are counted once', async () => {
  for (let i = 0; i < 20; i++) {
    await put(`well-${i}`);
    await put(`large-${i}`, { web_hook_url: `http://h/${'x'.repeat(100_000)}`, ack: '' });
  }
  expect(await screenedIds()).toHaveLength(20);
});

test('a sweep of some jobs screens none of them', async () => {
  await put('a');
  await put('b', { name: 'Y' });
  for (const scope of [{ ids: ['a'] }, { types: ['X'] }, { verdicts: ['fail'] }, { limit: 1 }, { acts: [] }] as const) {
    const { screened, summary, outcomes } = await sweep(true, scope as SweepOptions);
    expect([screened, outcomes]).toEqual([0, (await sweep(false, scope as SweepOptions)).outcomes]);
    expect(summary).toMatchObject({ isScoped: true });
  }
});

test('a scheduled sweep records the jobs that it has passed over as scanned', async () => {
  for (let i = 0; i < 30; i++) await put(`job-${i}`);
  const reaper = opened.create({ redis: server.url, sweep: { screen: true, initialDelay: 0, pageSize: 10 } });
  const ended = new Promise<SweepSummary>((resolve) => reaper.once('sweep', resolve));
  await reaper.start();
  expect(await ended).toMatchObject({ scanned: 30, screened: 30, verdicts: { keep: 30 }, outcomes: { kept: 30 } });
  expect(await redis.hget('t:reaper:progress', 'scanned')).toBe('30');
});

const now = second();
/** None passes a limit during the test. */
const time = fc
  .oneof(
    { weight: 12, arbitrary: fc.constantFrom(now + 120, now - 600, now - 5_000, now - 80_000) },
    { weight: 1, arbitrary: fc.constantFrom(now - 90_000, now - 10_000_000, now + 5_000, 0) },
  )
  .map(String);
const oddText = fc.oneof(
  fc.uint8Array({ maxLength: 5 }).map(Buffer.from),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    '',
    '0',
    '-1',
    '+5',
    '007',
    '1.5',
    'soon',
    '1e3',
    '0x10',
    ' 7',
    '7\n',
    '9007199254740993',
    '99999999999999999999',
  ),
);
const often = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<unknown> = oddText) =>
  fc.oneof({ arbitrary: usual, weight: 20 }, { arbitrary: odd as fc.Arbitrary<T>, weight: 1 });
const status = fc.constantFrom('Pending', 'Scheduled', 'Running', 'Running', 'Success', 'Error');

/** Most jobs are acknowledged as they are, so that a single odd field decides. */
const anyJob = fc
  .record({
    id: fc.oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter((id) => Buffer.from(id).toString() === id),
      fc.uuid(),
    ),
    fields: fc.record({
      id: often(fc.constant('own')),
      name: often(fc.constantFrom('X', 'Y', 'SLOW', 'QUICK')),
      kind: fc.constantFrom('Generic', 'Scheduled', 'Periodic', 'Odd'),
      status: often(status),
      ...{ update_time: often(time), revision: often(time), enqueue_time: often(time), run_at: often(time) },
      check_in_at: fc.option(often(time), { nil: undefined, freq: 2 }),
      web_hook_url: fc.constantFrom('', 'http://127.0.0.1:1/x', ' '),
      ack: often(fc.constant('own'), fc.oneof(oddText, fc.json(), fc.constant(ackText('Running', now - 600)))),
    }),
    missing: often(fc.constant(undefined), fc.constantFrom('id', 'status', 'update_time', 'revision', 'ack', 'run_at')),
  })
  .map(({ id, fields, missing }) => {
    const { ack, check_in_at: checkIn, ...given } = fields;
    const { status, revision } = given;
    const own = `{"status":"${status}","revision":${revision},"check_in_at":${checkIn ?? 0}}`;
    const all = {
      ...given,
      id: given.id === 'own' ? id : given.id,
      ack: ack === 'own' ? own : ack,
      ...(checkIn === undefined ? {} : { check_in_at: checkIn }),
    };
    return { id, stats: Object.fromEntries(Object.entries(all).filter(([field]) => field !== missing)) };
  });

const still = (state: State) =>
  Object.fromEntries(
    Object.entries(state)
      .filter(([key]) => !key.includes(':reaper:'))
      .map(([key, { type, value }]) => [key, { type, value: { ...value, update_time: undefined } }]),
  );

test('for any records, a sweep that passes over jobs does and counts what one that judges all of them does', async () => {
  const seen = { screened: 0, judged: 0 };
  const options = { hungAfterByType: { SLOW: '48h', QUICK: '1h' }, hooks: { timeout: 1 } } as const;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyJob, { selector: ({ id }) => id, minLength: 1, maxLength: 40 }),
      async (jobs) => {
        const seed = async () => {
          const pipeline = redis.pipeline().flushall();
          for (const { id, stats } of jobs) {
            pipeline.hset(keys.stats(id), stats as Record<string, string>).hset(keys.track, id, 2);
          }
          await repliesOf(pipeline);
        };
        await seed();
        seen.screened += (await screenedIds(options)).length;
        seen.judged += jobs.length;
        const all = await sweep(false, {}, options);
        const after = still(await readState(redis));
        await seed();
        const some = await sweep(true, {}, options);
        expect(still(await readState(redis))).toEqual(after);
        expect([some.summary, some.counts, some.metrics]).toEqual([all.summary, all.counts, all.metrics]);
      },
    ),
    { numRuns: 50 },
  );
  // Enough of both.
  expect(seen.screened).toBeGreaterThan(seen.judged / 10);
  expect(seen.screened).toBeLessThan(seen.judged * 0.9);
});
