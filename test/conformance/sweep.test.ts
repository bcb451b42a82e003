import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createReaper, type JobOutcome } from '../../src/index.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { differences, fill, readState, writeState } from '../support/states.ts';
import { namespace, readVectors, type SweepVector } from './vectors.ts';

const [{ server }, hookEndpoint] = await Promise.all([redisFixture(), hookEndpointFixture()]);

/** The vectors were recorded with the words of version 0.1.0. */
const words: Readonly<Record<string, string>> = {
  kept: 'keep',
  lost: 'missing-stats',
  queued: 'in-queue',
  unproven: 'inconclusive',
  settled: 'acknowledged',
  'nobody to tell': 'no-endpoint',
  young: 'recently-updated',
  'not acknowledged': 'unacknowledged',
};
const wordOf = (recorded: string) => words[recorded] ?? recorded;

const track = `${namespace}:job_track:inprogress`;

/**
 * Acknowledged stats without an id: upstream removes the field of the empty id from the track, so the job stays tracked. Our
 * reaper removes the tracked id (rule 5).
 */
const corrected = new Set(['id missing, settled']);

const vectors = readVectors<SweepVector>('sweep.jsonl.gz').map((vector) => [vector.name, vector] as const);
/** The jobs of all vectors that were passed over. */
let passedOver = 0;

describe.each([{ screen: false }, { screen: true }])('with %o', (sweep) => {
  // Upstream has no maximum age of a change: some of these are weeks old.
  const hooks = { maxAge: '100d' } as const;
  // One for all vectors: what it remembers of a sweep must not matter in the next one.
  const reaper = createReaper({ redis: server.client, namespace, logger: false, hooks, sweep });
  const outcomes = new Map<string, JobOutcome>();
  reaper.on('job', (outcome) => void outcomes.set(outcome.id, outcome));
  beforeEach(() => outcomes.clear());
  afterAll(() => reaper.stop({ timeout: 0 }));

  test.each(vectors)('sweep: %s', async (name, vector) => {
    const now = Math.floor(Date.now() / 1_000);
    const { before, upstream, ours } = fill(vector, now, hookEndpoint.url);
    await writeState(server.client, before);
    const summary = await reaper.sweep();

    const expected = Object.fromEntries(
      Object.entries(ours).map(([id, { verdict, reason }]) => [id, `${wordOf(verdict)} ${wordOf(reason)}`]),
    );
    const judged = Object.fromEntries(
      [...outcomes].map(([id, { verdict, reason }]): [string, string] => [id, `${verdict} ${reason}`]),
    );
    const { scanned, screened = 0, verdicts, reasons } = summary;
    passedOver += screened;
    const others = Object.keys(expected).filter((id) => judged[id] === undefined);
    expect({ ...judged, ...Object.fromEntries(others.map((id) => [id, 'keep ongoing'])) }).toEqual(expected);
    expect([scanned, screened]).toEqual([Object.keys(ours).length, others.length]);
    const countsOf = (word: 0 | 1) => countBy(Object.values(expected).map((words) => words.split(' ')[word] as string));
    expect([verdicts, reasons]).toEqual([countsOf(0), countsOf(1)]);
    const after = await readState(server.client);
    if (Object.values(ours).some(({ deviation }) => deviation !== undefined)) {
      for (const [id, { verdict }] of Object.entries(ours)) expectEffect(id, wordOf(verdict), before, after);
    } else if (corrected.has(name)) {
      expect(after[track]).toBeUndefined();
    } else {
      expect(differences(after, upstream.after, now)).toEqual([]);
      expect(differences(distinct(hookEndpoint.hooks), distinct(upstream.hooks ?? []), now)).toEqual([]);
    }
  });

  test('some jobs are passed over if any may be', () => expect(passedOver > 0).toBe(sweep.screen));
});

const countBy = (words: readonly string[]) =>
  Object.fromEntries(words.map((word) => [word, words.filter((other) => other === word).length]));

/** The effect of a verdict in Redis, where upstream differs. */
const expectEffect = (id: string, verdict: string, before: SweepVector['before'], after: SweepVector['before']) => {
  const key = `${namespace}:job_stats:${id}`;
  const [was, is] = [before[key], after[key]];
  const count = after[track]?.value[id];
  if (verdict === 'keep') expect([is, count]).toEqual([was, before[track]?.value[id]]);
  if (verdict === 'untrack') expect([is, count]).toEqual([was, undefined]);
  if (verdict === 'fail')
    expect([is?.value.status, is?.ttl !== undefined && is.ttl > 604_000]).toEqual(['Error', true]);
  if (verdict === 'reset') {
    const ack = JSON.parse(was?.value.ack);
    const revision = Math.max(Number(was?.value.revision ?? 0), ack.revision);
    expect([is?.value.status, Number(is?.value.revision ?? 0)]).toEqual([ack.status, revision]);
  }
  if (verdict === 'refire' && /\/20\d\//.test(was?.value.web_hook_url)) {
    const { status, revision = '0' } = was?.value ?? {};
    expect(JSON.parse(is?.value.ack)).toMatchObject({ status, revision: Number(revision) });
    expect(hookEndpoint.hooks.filter(({ body }) => body.job_id === id)).toHaveLength(1);
  }
};

/** Hooks as a set: the vectors leave out repeated POSTs, and the order does not matter. */
const distinct = (hooks: readonly { path: string; contentType: string; body: { job_id: string } }[]) =>
  Object.fromEntries(hooks.map((hook) => [`${hook.body.job_id} ${hook.path}`, hook]));
