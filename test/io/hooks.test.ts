/** What the hooks of jobs are enqueued with, and which endpoints are due then. */
import { expect, test } from 'vitest';
import { createHooks, stateOf } from '../../src/io/hooks/hooks.ts';
import type { HookEnd } from '../../src/machines/types/job.ts';
import { createTestClock } from '../support/clock.ts';
import { facts } from '../support/facts.ts';

const jobOf = (id: string, hookUrl?: string) => ({
  facts: facts({ id, revision: 7 }),
  fingerprint: () => 'f',
  ...(hookUrl === undefined ? {} : { hookUrl }),
});

/** Hooks over records that reply with these outcomes, and over a sender that takes the hooks of these endpoints. */
const start = (outcomes: readonly HookEnd[] = [], taken?: readonly string[]) => {
  const clock = createTestClock();
  const [due, named, asked]: [string[], unknown[], unknown[]] = [[], [], []];
  const hooks = createHooks({
    records: {
      async enqueue(...args) {
        asked.push(args);
        return outcomes.map((outcome) => ({ outcome }));
      },
      async plan(changes) {
        asked.push(changes);
        return changes.map(() => ({ outcome: 'parked' }));
      },
      faults: async (endpoints) => new Map(endpoints.map((endpoint) => [endpoint, `${endpoint} is full`])),
    },
    sender: { holdText: () => undefined },
    rewriteOrigins: { 'http://old': 'https://new/in' },
    clock,
    onDue: (endpoint) => void due.push(endpoint),
    ...(taken && {
      sendNamed(endpoint: string, ids: readonly string[]) {
        named.push([endpoint, ...ids]);
        return taken.includes(endpoint);
      },
    }),
  });
  return { hooks, due, named, asked, clock };
};

test('the hooks of a page are enqueued with their states and endpoints, behind the fence and for the pass of their sweep', async () => {
  const { hooks, asked } = start(['enqueued', 'parked']);
  const fence = { lease: 'l', token: '7' };
  const first = { ...jobOf('a', 'http://old/x?y'), fence, pass: 'sweep/1' };
  expect(await hooks.enqueue([first, jobOf('b', 'core/x')])).toEqual([{ outcome: 'enqueued' }, { outcome: 'parked' }]);
  const changes = [
    { id: 'a', state: 'Running:7', endpoint: 'https://new' },
    { id: 'b', state: 'Running:7', endpoint: 'nowhere' },
  ];
  expect(asked).toEqual([[changes, fence, { pass: 'sweep/1', why: 'unacknowledged' }]]);
  await hooks.enqueue([]);
  expect(asked.at(-1)).toEqual([[], undefined, { pass: 'sweep', why: 'unacknowledged' }]);
});

test('a plan asks what would become of the same hooks, and announces none', async () => {
  const { hooks, asked, due } = start();
  expect(await hooks.plan([jobOf('a', 'http://core/x')])).toEqual([{ outcome: 'parked' }]);
  expect([asked, due]).toEqual([[[{ id: 'a', state: 'Running:7', endpoint: 'http://core' }]], []]);
});

test('an endpoint is due once for the hooks of a page that wait, and again a second later', async () => {
  const { hooks, due, clock } = start(['enqueued', 'already-pending', 'parked', 'deferred', 'enqueued']);
  const urls = ['http://a/1', 'http://a/2', 'http://b', 'http://c', 'http://d'];
  const page = urls.map((url, i) => jobOf(`j${i}`, url));
  await hooks.enqueue(page);
  expect(due).toEqual(['http://a', 'http://d']);
  clock.advance(999);
  await hooks.enqueue(page);
  expect(due).toHaveLength(2);
  clock.advance(1);
  await hooks.enqueue(page);
  expect(due).toEqual(['http://a', 'http://d', 'http://a', 'http://d']);
});

test('hooks that are sent by name make no endpoint due, on a page and alone', async () => {
  const { hooks, due, named } = start(['enqueued', 'enqueued', 'enqueued'], ['http://a']);
  await hooks.enqueue([jobOf('a1', 'http://a'), jobOf('b1', 'http://b'), jobOf('a2', 'http://a')]);
  expect([named.splice(0), due.splice(0)]).toEqual([
    [
      ['http://a', 'a1', 'a2'],
      ['http://b', 'b1'],
    ],
    ['http://b'],
  ]);
  hooks.announce('http://a', 'a3');
  hooks.announce('http://b', 'b2');
  expect([named, due]).toEqual([
    [
      ['http://a', 'a3'],
      ['http://b', 'b2'],
    ],
    ['http://b'],
  ]);
});

test('a hook that a script has enqueued makes its endpoint due at once, each time', () => {
  const { hooks, due } = start();
  for (const id of ['a', 'b']) hooks.announce('http://a', id);
  expect(due).toEqual(['http://a', 'http://a']);
});

test('each URL has its own endpoint, however alike their beginnings are', () => {
  const { endpointFor } = start().hooks;
  const urls = [
    'http://core/x',
    'http://cool/x',
    'http://core:81',
    'https://core',
    'http://old?http://core',
    'x//core',
  ];
  for (let i = 0; i < 2; i++) {
    expect(urls.map(endpointFor)).toEqual([
      ...['http://core', 'http://cool', 'http://core:81', 'https://core'],
      ...['https://new', 'nowhere'],
    ]);
  }
  // One slash is enough for a URL, and a path may have two.
  expect(['http:/core/a//b', 'http:/cool/a//b'].map(endpointFor)).toEqual(['http://core', 'http://cool']);
  for (const url of [undefined, '', ' \t']) expect(endpointFor(url)).toBeUndefined();
});

test('the state of a job without a revision, or with one that cannot be read, has revision 0', () => {
  expect(stateOf(facts({ status: 'Success', revision: 12 }))).toBe('Success:12');
  for (const revision of [undefined, Number.NaN]) expect(stateOf(facts({ revision }))).toBe('Running:0');
});
