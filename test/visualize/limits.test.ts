/** The limits on what leaves the process: SECURITY.md promises that texts from Redis are cut to 256 characters. */
import { expect, test, vi } from 'vitest';
import type { PageClient } from '../support/inspector.ts';
import { useInspector } from '../support/inspectorServer.ts';
import { second, seedJob } from '../support/jobs.ts';
import { entryOf, seedPool } from '../support/pools.ts';

const inspector = useInspector();
const { redis } = inspector;
let page: PageClient;
const start = async () => {
  const { reaper, url } = await inspector.start({ control: true }, { rescue: { grace: 0 } });
  page = await inspector.page(url);
  return reaper;
};

const long = (text: string) => `${text}${'x'.repeat(1_000)}`;
/** A text as the page gets it. */
const cut = (text: string) => `${long(text).slice(0, 256)}…`;
/** No message has held a longer piece of a long text. */
const expectAllCut = () => expect(page.text()).not.toContain('x'.repeat(257));

test.each([true, false])(
  'the answer to a rescue (plan: %s) counts its changes and names three of each kind',
  async (plan) => {
    const types = Array.from({ length: 40 }, (_, i) => `T${String(i).padStart(2, '0')}`);
    const holds = new Map(types.map((type) => [type, [`${type}-a`, `${type}-b`]]));
    await seedPool(redis(), 'gone', { heartbeat: second(-100), jobNames: types.join(','), holds });
    await start();
    const { rescue } = await page.ask({ type: 'rescue', plan });
    expect(rescue).toMatchObject({ plan, entries: 80, suspects: 1 });
    expect([...(rescue?.changes ?? [])].sort((a, b) => (a.act < b.act ? -1 : 1))).toEqual([
      { act: 'deregister', count: 1, examples: ['pool gone'] },
      { act: 'lock', count: 40, examples: ['T00: 2 → 0', 'T01: 2 → 0', 'T02: 2 → 0'] },
      {
        act: 'requeue',
        count: 40,
        examples: ['T00: 2 from pool gone', 'T01: 2 from pool gone', 'T02: 2 from pool gone'],
      },
    ]);
  },
);

test('the answer to a rescue cuts the names of types and pools', async () => {
  await seedPool(redis(), long('pool'), {
    heartbeat: second(-100),
    jobNames: long('type'),
    holds: new Map([[long('type'), ['a']]]),
  });
  await start();
  for (const plan of [true, false]) {
    const { rescue } = await page.ask({ type: 'rescue', plan });
    expect(rescue?.changes.flatMap(({ examples }) => examples)).toEqual(
      expect.arrayContaining([cut('type'), `pool ${long('pool').slice(0, 251)}…`]),
    );
  }
  await page.until(({ pools }) => pools.length > 0 && pools[0]?.pool === cut('pool'));
  expectAllCut();
});

test('a verdict that names the pool of a job is cut, in lists, traces and explanations', async () => {
  await seedJob(redis(), 'a', { age: 90_000 });
  await seedPool(redis(), long('pool'), { heartbeat: second(), holds: new Map([['X', ['a']]]) });
  await redis().hset(`t:worker_pools:${long('pool')}`, 'worker_ids', 'w');
  await redis().hset('t:worker:w', { job_name: 'X', job_id: 'a', started_at: second(-90_000), args: '{}' });
  const reaper = await start();
  await page.ask({ type: 'watch', id: 'a' });
  await reaper.sweep({ plan: true });
  await vi.waitUntil(() => page.messages.some(({ type }) => type === 'watched'));
  const { job } = await page.ask({ type: 'job', id: 'a' });
  expect(job?.explanation).toMatchObject({ reason: 'observed', detail: expect.stringMatching(/x…$/) });
  expect(job?.explanation.rules.at(-1)?.answer).toMatch(/x…$/);
  expect(job?.explanation.places).toContainEqual(expect.objectContaining({ kind: 'observed', pool: cut('pool') }));
  expect(job?.traces[0]).toMatchObject({ outcome: { detail: expect.stringMatching(/x…$/) } });
  expect(job?.traces[0]?.judged[0]?.rules.at(-1)?.answer).toMatch(/x…$/);
  expectAllCut();
});

test('of the places of a job fifty are named and the others counted', async () => {
  await seedJob(redis(), 'a');
  for (let i = 0; i < 60; i++) await seedPool(redis(), `p${i}`, { holds: new Map([['X', ['a']]]) });
  await redis().lpush('t:jobs:X', entryOf('a'));
  await redis().sadd('t:known_jobs', 'X');
  await start();
  const { job } = await page.ask({ type: 'job', id: 'a' });
  expect(job?.explanation.places).toHaveLength(50);
  expect(job?.explanation.otherPlaces).toBe(11);
});

test('the explanation of a job with a hook leaves out the hook URL and the stored record', async () => {
  await seedJob(redis(), 'a', { web_hook_url: 'http://127.0.0.1:1/secret' });
  const reaper = await start();
  await reaper.sweep();
  const { job } = await page.ask({ type: 'job', id: 'a' });
  expect(job?.explanation.hook).toMatchObject({ id: 'a', state: 'pending', endpoint: 'http://127.0.0.1:1' });
  expect(Object.keys(job?.explanation.hook ?? {})).not.toContain('text');
  expect(page.text()).not.toContain('secret');
});

test('the texts of a hook in an explanation are cut', async () => {
  await seedJob(redis(), 'a');
  const answer = '5'.repeat(1_000);
  await redis().hset('t:reaper:hooks', 'a', `pending Running:1 http://127.0.0.1:1 1 5 6 ${answer}`);
  await start();
  const { job } = await page.ask({ type: 'job', id: 'a' });
  expect(job?.explanation.hook?.answer).toBe(`${answer.slice(0, 256)}…`);
});
