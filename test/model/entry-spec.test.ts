/**
 * Takes every transition of the specification with the real reaper on a real Redis, and compares both after each step. A beginning
 * that several paths share is taken once.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { getAdjacencyMap, getShortestPaths } from 'xstate/graph';
import { createReaper, type Reaper } from '../../src/index.ts';
import { second } from '../support/jobs.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';
import { createUpstream } from '../support/upstream.ts';
import { type EntryEvent, type EntryLife, entrySpecification } from './entry-specification.ts';
import { createMoments } from './moments.ts';

const events: EntryEvent[] = [
  'taken',
  'workerDied',
  'finished',
  'windowPassed',
  'retriedByGocraft',
  'listed',
  'released',
  'dropped',
];
let server: RedisServer;
let reaper: Reaper;
let upstream: ReturnType<typeof createUpstream>;
beforeAll(async () => {
  server = await startRedis();
  reaper = createReaper({ redis: server.client, namespace: 't', logger: false });
  upstream = createUpstream(server.client);
});
afterAll(async () => {
  await reaper.stop();
  await server.stop();
});

const options = {
  events: events.map((type) => ({ type })),
  // biome-ignore lint/suspicious/noExplicitAny: a snapshot of the specification
  filterEvents: (state: any, event: any) => state.can(event),
  // biome-ignore lint/suspicious/noExplicitAny: a snapshot of the specification
  serializeState: (state: any) => JSON.stringify([state.value, state.context]),
};
interface Step {
  readonly type: EntryEvent | 'xstate.init';
  readonly value: unknown;
  readonly life: EntryLife;
}
interface State {
  readonly value: unknown;
  readonly context: EntryLife;
}
const stepOf = (type: string, { value, context }: State): Step => ({
  type: type as Step['type'],
  value,
  life: context,
});
// biome-ignore lint/suspicious/noExplicitAny: the types of the graph follow the machine's
const shortest: any[] = getShortestPaths(entrySpecification, options as any);
const paths = new Map<string, readonly Step[]>(
  shortest.map(({ state, steps }) => [
    options.serializeState(state),
    steps.map((step: { event: { type: string }; state: State }) => stepOf(step.event.type, step.state)),
  ]),
);
/** For each transition: the shortest path to its source state, and the transition. */
// biome-ignore lint/suspicious/noExplicitAny: the types of the graph follow the machine's
const traces = Object.entries<any>(getAdjacencyMap(entrySpecification, options as any)).flatMap(
  ([key, { transitions }]) =>
    Object.values<{ event: { type: string }; state: State }>(transitions).map(({ event, state }) => {
      const steps = [...(paths.get(key) as readonly Step[]), stepOf(event.type, state)];
      return [steps.map(({ type }) => type.replace('xstate.', '')).join(' → '), steps] as const;
    }),
);

const first = '{"name":"X","id":"j","t":1,"args":{"n":12345678901234567890}}';
const stats = 't:job_stats:j';
/** The current bytes of the entry: gocraft's retry writes other bytes. */
let entry = first;
let hosts = 0;
beforeEach(async () => {
  const { client } = server;
  await client.flushall();
  [entry, hosts] = [first, 0];
  const at = second(-600);
  await client.hset(stats, { id: 'j', name: 'X', kind: 'Generic', status: 'Pending', update_time: at, revision: at });
  await client.hset('t:job_track:inprogress', 'j', 2);
  await client.lpush('t:jobs:X', entry);
});

/** Does in Redis what an event stands for. Returns the result of a release or drop. */
const apply = async (type: Step['type']): Promise<EntryLife['said']> => {
  const { client } = server;
  const pool = `h${hosts}`;
  if (type === 'taken') {
    await client.sadd('t:worker_pools', pool);
    await client.hset(`t:worker_pools:${pool}`, { heartbeat_at: second(), job_names: 'X' });
    expect(await upstream.fetch('X', pool)).toBe(entry);
    await upstream.reset('j', 'Running');
  }
  if (type === 'workerDied') {
    await client.hset(`t:worker_pools:${pool}`, 'heartbeat_at', second(-60));
    hosts += 1;
    await reaper.rescue({ grace: 0 });
  }
  if (type === 'finished') await upstream.finish('X', pool, entry);
  if (type === 'windowPassed') {
    const text = await client.hget('t:reaper:recoveries', 'j');
    const deaths: [number, string, string][] = JSON.parse(text ?? '[]');
    const old = deaths.map(([at, ...rest]) => [at - 90_000, ...rest]);
    if (old.length > 0) await client.hset('t:reaper:recoveries', 'j', JSON.stringify(old));
  }
  if (type === 'retriedByGocraft') {
    const [member] = (await client.zrange('t:dead', '0', '-1')) as [string];
    entry = '{"name":"X","id":"j","t":2,"args":{"n":12345678901234567000}}';
    await client.multi().zrem('t:dead', member).lpush('t:jobs:X', entry).exec();
  }
  if (type === 'listed') for await (const _ of reaper.quarantine.list());
  if (type !== 'released' && type !== 'dropped') return 'nothing';
  const { done, gone } = await reaper.quarantine[type === 'released' ? 'release' : 'drop']({});
  return done > 0 ? 'done' : gone > 0 ? 'gone' : 'none';
};

const check = async ({ value, life }: Step) => {
  const { client } = server;
  const held = (await client.keys('t:jobs:X:*:inprogress')).map((key) => client.lrange(key, 0, -1));
  expect({
    queued: await client.lrange('t:jobs:X', 0, -1),
    held: (await Promise.all(held)).flat(),
    dead: (await client.zrange('t:dead', '0', '-1')).map((member) => `${member.split(',"fails":1')[0]}}`),
  }).toEqual({ queued: [], held: [], dead: [], ...(value === 'done' ? {} : { [value as string]: [entry] }) });
  const deaths: [number][] = JSON.parse((await client.hget('t:reaper:recoveries', 'j')) ?? '[]');
  expect(deaths.filter(([at]) => at > second(-86_400))).toHaveLength(life.recoveries);
  expect(await client.hexists('t:reaper:quarantine', 'j')).toBe(life.record ? 1 : 0);
  expect(await client.hget(stats, 'status')).toBe(life.status);
  expect(Number((await client.get('t:jobs:X:lock')) ?? 0)).toBe(value === 'held' ? 1 : 0);
};

const typesOf = (steps: readonly Step[]) => steps.map(({ type }) => type);
const moments = createMoments<{ readonly entry: string; readonly hosts: number }>(
  traces.map(([, steps]) => typesOf(steps)),
);

test.each(traces)('%s', async (_, steps) => {
  const { client } = server;
  const types = typesOf(steps);
  const moment = await moments.restore(client, types);
  if (moment !== undefined) ({ entry, hosts } = moment.about);
  // A live pool has gone on beating.
  const heartbeat = `t:worker_pools:h${hosts}`;
  if (await client.exists(heartbeat)) await client.hset(heartbeat, 'heartbeat_at', second());
  for (let i = moment?.length ?? 0; i < steps.length; i++) {
    const step = steps[i] as Step;
    expect(await apply(step.type)).toBe(step.life.said);
    await check(step);
    await moments.keep(client, types.slice(0, i + 1), { entry, hosts });
  }
});

test('the paths lead an entry into quarantine, and out of it in every way', () => {
  const taken = new Set(traces.map(([, steps]) => `${steps.at(-2)?.value} ${steps.at(-1)?.type}`));
  for (const transition of [
    'held workerDied',
    'dead released',
    'dead dropped',
    'dead retriedByGocraft',
    'dead listed',
  ]) {
    expect(taken).toContain(transition);
  }
});
