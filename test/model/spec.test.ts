/**
 * Takes the paths of the specification with the real reaper on a real Redis, and compares both after each step. Where paths begin
 * alike, that beginning is taken once: the others go on from what Redis held at its end.
 */
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createTestModel } from 'xstate/graph';
import type { ReaperEvents } from '../../src/index.ts';
import { scriptOfDigest } from '../../src/io/redis/scripts.ts';
import { createTestClock, type TestClock } from '../support/clock.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { ackText, intercept, second } from '../support/jobs.ts';
import { trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';
import { createMoments } from './moments.ts';
import { type Life, type SpecEvent, specification } from './specification.ts';

const stats = 't:job_stats:j';
const track = 't:job_track:inprogress';
const events: SpecEvent[] = [
  'saved',
  'run',
  'checkedIn',
  'finished',
  'acked',
  'endpointDown',
  'endpointUp',
  'graceOver',
  'silence',
  'clockJumped',
  'enqueued',
  'entryLost',
  'observed',
  'workerDied',
  'statusWriteLost',
  'statsDeleted',
  'sweep',
  'sweepOvertaken',
  'sweepFenced',
];
let server: RedisServer;
let hookEndpoint: HookEndpoint;
/** The client of the reapers. Another actor of Redis comes before some of their scripts. */
let redis: Redis;
let beforeScript: ((args: readonly unknown[]) => Promise<void>) | undefined;
beforeAll(async () => {
  [server, hookEndpoint] = await Promise.all([startRedis(), startHookEndpoint()]);
  redis = intercept(server.client, 'evalsha', (args) => beforeScript?.(args));
});
afterAll(() => {
  redis.disconnect();
  return Promise.all([server.stop(), hookEndpoint.stop()]);
});
beforeEach(async () => {
  await server.client.flushall();
  hookEndpoint.answer = undefined;
});

const model = createTestModel(specification, {
  events: events.map((type) => ({ type })),
  filterEvents: (state, event) => state.status === 'active' && state.can(event),
});
interface Trace {
  readonly name: string;
  readonly steps: readonly { readonly type: string; readonly value: unknown; readonly life: Life }[];
}
const wayOf = ({ steps }: Pick<Trace, 'steps'>): string => steps.map(({ type }) => type).join(' → ');
const keyOf = (state: { value: unknown; context: Life }) => JSON.stringify([state.value, state.context]);
const paths: readonly Trace[] = model.getShortestPaths().map(({ description, steps }) => ({
  name: description,
  steps: steps.map(({ event, state }) => ({ type: event.type, value: state.value, life: state.context })),
}));
/** The path to each state: the model leaves out paths that are the beginning of another one. */
const pathTo = new Map(
  paths.flatMap(({ steps }) =>
    steps.map(({ value, life }, i) => [keyOf({ value, context: life }), steps.slice(0, i + 1)] as const),
  ),
);
/** An overtaken job ends in a state with a shorter path, so no shortest path has that event. Each such edge gets a path. */
type Edge = { event: { type: string }; state: { value: unknown; context: Life } };
type Node = { state: { value: unknown; context: Life }; transitions: Record<string, Edge> };
const overtaken = Object.values(model.getAdjacencyMap() as unknown as Record<string, Node>).flatMap(
  ({ state, transitions }): Trace[] =>
    Object.values(transitions)
      .filter(({ event }) => event.type === 'sweepOvertaken')
      .map(({ event, state: next }) => {
        const path = pathTo.get(keyOf(state)) ?? [];
        const steps = [...path, { type: event.type, value: next.value, life: next.context }];
        return { name: wayOf({ steps }), steps };
      }),
);
/** Paths with the same beginning follow one another. */
const traces: readonly Trace[] = [...paths, ...overtaken].sort((a, b) => (wayOf(a) < wayOf(b) ? -1 : 1));
const hitStates = new Set<string>();
const hitEvents = new Set<string>();

let jobs: ReaperEvents['job'][] = [];
let clock: TestClock;
const opened = trackOpened();
const sweep = async (isOvertaken: boolean) => {
  // An hour passes between two sweeps, so every retry is due.
  clock.advance(3_600_000);
  jobs = [];
  hookEndpoint.hooks.length = 0;
  const { client } = server;
  let moves = isOvertaken;
  beforeScript = async (args) => {
    if (!moves || scriptOfDigest(String(args[0])) !== 'fail_job') return;
    moves = false;
    await client.hset(stats, { update_time: second(-600) });
  };
  const reaper = opened.create({ redis, clock });
  reaper.on('job', (job) => void jobs.push(job));
  try {
    await reaper.sweep();
  } finally {
    await opened.close();
  }
  expect(moves).toBe(false);
};

/** A scheduled sweep of the leader. Another host takes the lease while the facts of the job are read. */
const sweepFenced = async () => {
  clock.advance(3_600_000);
  jobs = [];
  hookEndpoint.hooks.length = 0;
  const { client } = server;
  const lease = 't:reaper:lease';
  let hasLost = false;
  beforeScript = async ([, count, firstKey]) => {
    // The script that reads the facts is the only one with just this key.
    if (hasLost || count !== 1 || firstKey !== stats) return;
    hasLost = true;
    const later = Date.now() + 3_600_000;
    await client.hset(lease, { leader: 'another', host: 'another', fence: later, until: later });
  };
  const reaper = opened.create({ redis, clock, sweep: { initialDelay: 0, jitter: 0 } });
  reaper.on('job', (job) => void jobs.push(job));
  let end: string | undefined;
  reaper.on('sweep', ({ error }) => {
    end ??= error ?? 'its end';
  });
  try {
    reaper.start();
    await clock.until(() => hasLost);
    // No time passes any more: an act of the sweep finds out, not the renewal of the lease.
    await vi.waitUntil(() => end !== undefined, { interval: 2 });
    await reaper.hooks.quiet();
  } finally {
    await opened.close();
    await client.del(lease, 't:reaper:progress');
  }
  expect(hasLost).toBe(true);
};

/** Does in Redis what an event stands for. */
const apply = async (type: SpecEvent): Promise<void> => {
  const { client } = server;
  const { revision = '0', status = '', check_in_at = '0' } = await client.hgetall(stats);
  const confirm = (state: string) => client.hset(stats, 'ack', ackText(state, Number(revision), Number(check_in_at)));
  const at = second(-600);
  if (type === 'saved') {
    await client.hset(stats, {
      id: 'j',
      name: 'X',
      kind: 'Generic',
      status: 'Pending',
      web_hook_url: `${hookEndpoint.url}/200`,
      enqueue_time: at,
      update_time: at,
      revision: at,
    });
    await client.hset(track, 'j', 2);
  }
  if (type === 'run') await client.hset(stats, { status: 'Running', update_time: at });
  if (type === 'checkedIn') await client.hset(stats, { check_in_at: at + 1, update_time: at });
  if (type === 'finished') await client.hset(stats, { status: 'Success', update_time: at });
  if (type === 'acked') await confirm(status);
  if (type === 'statusWriteLost') await confirm('Success');
  if (type === 'endpointDown') hookEndpoint.answer = (_, response) => void response.writeHead(503).end();
  if (type === 'endpointUp') hookEndpoint.answer = undefined;
  if (type === 'graceOver') await client.hset(stats, 'update_time', at);
  if (type === 'statsDeleted') await client.del(stats);
  if (type === 'silence' || type === 'clockJumped') {
    const old = second(type === 'silence' ? -100_000 : 100_000);
    const ack = await client.hget(stats, 'ack');
    const times = { enqueue_time: old, update_time: old, revision: old };
    const checkIn = Number(check_in_at) === 0 ? {} : { check_in_at: old + 1 };
    await client.hset(stats, { ...times, ...checkIn });
    if (ack !== null) {
      const { status: confirmed, check_in_at: seen } = JSON.parse(ack);
      await client.hset(stats, 'ack', ackText(confirmed, old, seen === 0 ? 0 : old + 1));
    }
  }
  if (type === 'enqueued') await client.lpush('t:jobs:X', '{"name":"X","id":"j","t":1,"args":{}}');
  if (type === 'observed') {
    await client.sadd('t:worker_pools', 'p');
    await client.hset('t:worker_pools:p', { heartbeat_at: second(), worker_ids: 'w' });
    await client.hset('t:worker:w', { job_name: 'X', job_id: 'j', started_at: at, args: '' });
  }
  if (type === 'run' || type === 'entryLost') await client.del('t:jobs:X');
  if (type === 'finished' || type === 'workerDied') await client.del('t:worker:w');
  if (type === 'sweepFenced') await sweepFenced();
  if (type === 'sweep' || type === 'sweepOvertaken') await sweep(type === 'sweepOvertaken');
};

const check = async (type: string, life: Life) => {
  const { client } = server;
  const stored = await client.hgetall(stats);
  expect(Number((await client.hget(track, 'j')) ?? 0)).toBe(life.count);
  expect(stored.status).toBe(life.stats ? life.status : undefined);
  if (life.stats) {
    const ack = stored.ack === undefined ? undefined : JSON.parse(stored.ack);
    expect(ack?.status ?? 'none').toBe(life.ack);
  }
  if (!type.startsWith('sweep')) return;
  expect(jobs.map(({ verdict, reason, outcome }) => ({ verdict, reason, outcome }))).toEqual(
    life.report === undefined ? [] : [life.report],
  );
  expect(hookEndpoint.hooks.map(({ body }) => body.status)).toEqual(Array(life.hooks).fill(life.status));
};

/** What is not in Redis at a moment of a path. */
interface Surroundings {
  readonly elapsed: number;
  readonly answer: HookEndpoint['answer'];
}
/** The time of the clock at the start of the path. */
let began = 0;
const moments = createMoments<Surroundings>(traces.map(({ steps }) => steps.map(({ type }) => type)));

/** Goes back to where a beginning of this path ended, if it was taken. Returns the number of its steps. */
const resume = async (types: readonly string[]): Promise<number> => {
  clock = createTestClock();
  began = clock.now();
  const moment = await moments.restore(server.client, types);
  if (moment === undefined) return 0;
  clock.advance(moment.about.elapsed);
  hookEndpoint.answer = moment.about.answer;
  // A live pool has gone on beating.
  if (await server.client.exists('t:worker_pools:p')) {
    await server.client.hset('t:worker_pools:p', 'heartbeat_at', second());
  }
  return moment.length;
};

test.each(traces.map((trace) => [trace.name, trace] as const))('%s', async (_, { steps }) => {
  const types = steps.map(({ type }) => type);
  for (let i = await resume(types); i < steps.length; i++) {
    const { type, value, life } = steps[i] as (typeof steps)[number];
    if (events.includes(type as SpecEvent)) {
      await apply(type as SpecEvent);
      hitEvents.add(type);
    }
    await check(type, life);
    hitStates.add(String(value));
    await moments.keep(server.client, types.slice(0, i + 1), {
      elapsed: clock.now() - began,
      answer: hookEndpoint.answer,
    });
  }
});

afterAll(() => {
  expect([...hitEvents].sort()).toEqual([...events].sort());
  // `swept` is left at once.
  expect([...hitStates].sort()).toEqual(
    Object.keys(specification.states)
      .filter((name) => name !== 'swept')
      .sort(),
  );
});
