/** Set-ups of the scripts on hooks. */
import type { ScriptName } from '../../../src/io/redis/scripts.ts';
import { alsoRecorded } from './recorded.ts';
import {
  at,
  before,
  changes,
  claimedUntil,
  due,
  endpoint,
  hash,
  hookKeys,
  hooks,
  job,
  origin,
  origins,
  parked,
  runs,
  type SetUp,
  sending,
  set,
  stats,
  track,
  withRecord,
  zset,
} from './values.ts';

const ofClaim = (...args: (string | number)[]) => ['', 'j', claimedUntil, ...args];
const anyStats = { reason: 'the result of an attempt is recorded whatever becomes of the job' };
const broken = { failures: 1, opens: 1, open_until: at - 1, probe_until: claimedUntil, tokens: 1, tokens_at: at };
const ofSent = [claimedUntil, 'Running', before, 0, ''];
const otherStats = 't:job_stats:b';
const isDelivered = 'the sender reports "delivered" all the same';
const onlyItsHook = { reason: 'the reply for its hook names it; the hooks of other jobs are recorded' };
const unread = 'the sender reads the stats, which are kept nowhere else';

export const hookSetUps = {
  claim_hooks: [
    {
      title: 'what is due, and what is elsewhere by now',
      state: {
        ...runs,
        ...withRecord(`pending Running:1 ${origin} 0 0 0 -`, { known: { tokens: 1, tokens_at: at - 60_000 } }),
        [hooks]: hash({ j: `pending Running:1 ${origin} 0 0 0 -`, other: 'pending Running:1 http://b:1 0 0 0 -' }),
        [due]: zset({ j: at, other: at }),
      },
      keys: [hooks, due, endpoint, origins, 't:job_stats:other', stats],
      args: [at + 5, 40_000, 8, 2, 50, origin, 'other', 'j'],
      goesOn: {
        [stats]: { reason: 'its job has no stats to tell of: the sender drops it', keys: [hooks] },
        't:job_stats:other': { reason: 'its record is not of this endpoint' },
      },
      once: true,
      again: {
        reason: unread,
        reply: {
          ...{ outcome: 'claimed', wait: 40_000, breaker: 'draining' },
          ...{ at: at + 5, until: at + 40_005 },
          hooks: [['j', 'pending', 1, 'unread']],
          next: [],
        },
      },
    },
    {
      title: 'a probe',
      state: {
        ...runs,
        ...withRecord(`asked Running:1 ${origin} 0 0 0 -`, { known: { failures: 2, open_until: at - 1 } }),
      },
      keys: [hooks, due, endpoint, origins, stats],
      args: [at, 40_000, 8, 2, 50, origin, 'j'],
      goesOn: { [stats]: { reason: 'its job has no stats to tell of: the sender drops it', keys: [hooks] } },
      once: true,
      again: {
        reason: unread,
        reply: {
          ...{ outcome: 'claimed', wait: 1, breaker: 'probing' },
          ...{ at, until: at + 40_000 },
          hooks: [['j', 'asked', 1, 'unread']],
          next: [],
        },
      },
    },
    {
      title: 'nothing, from an endpoint that has heard all',
      state: { [origins]: set(origin, 'http://b:1'), [endpoint]: hash({ tokens: 3, tokens_at: at - 60_000 }) },
      keys: [hooks, due, endpoint, origins],
      args: [at, 40_000, 8, 2, 50, origin],
    },
  ],
  enqueue_hooks: alsoRecorded([
    {
      title: 'new, parked, and lost from its queue',
      state: {
        ...runs,
        [hooks]: hash({
          j: `parked Pending:1 ${origin} 1 1 1 404`,
          lost: `pending Running:1 ${origin} 0 0 0 -`,
          other: 'pending Running:1 http://b:1 0 0 0 -',
        }),
        [parked]: zset({ j: at, other: at }),
        [origins]: set('http://c:1'),
      },
      keys: [
        ...hookKeys,
        't:reaper:hooks:due:http://b:1',
        stats,
        't:job_stats:lost',
        't:job_stats:new',
        't:job_stats:b',
      ],
      args: [
        at,
        100,
        2,
        origin,
        'http://b:1',
        ...['j', `Running:${before}`, 1],
        ...['lost', 'Running:1', 1],
        ...['new', 'Running:1', 1],
        ...['b', 'Running:1', 2],
      ],
      goesOn: {
        [due]: {
          reason: "its jobs' answers name it; those of other endpoints go on",
          keys: [hooks, parked, origins, changes],
        },
        't:reaper:hooks:due:http://b:1': { reason: 'likewise', keys: [hooks, origins, changes] },
        [stats]: { reason: 'nothing can be said of it but what the caller has read' },
        't:job_stats:lost': { reason: 'likewise' },
        't:job_stats:new': { reason: 'likewise' },
        't:job_stats:b': { reason: 'likewise' },
      },
      once: true,
    },
  ]),
  forget_parked: [
    {
      title: 'some that are old',
      state: withRecord(`parked Pending:1 ${origin} 1 1 1 404`),
      keys: [hooks, parked],
      args: [at + 60_000, 30_000, 10],
      again: { reason: 'how many there were; the caller does not ask', reply: { outcome: 'done', count: 0 } },
    },
  ],
  retry_hook: alsoRecorded([
    {
      title: 'a parked hook',
      state: withRecord(`parked Pending:1 ${origin} 1 1 1 404`),
      keys: hookKeys,
      args: [at, 'j', `parked Pending:1 ${origin} 1 1 1 404`],
      once: true,
    },
    {
      title: 'what a host held when it died',
      state: withRecord(sending(), { waits: at - 1 }),
      keys: hookKeys,
      args: [at, 'j', sending()],
      once: true,
    },
  ]),
  drop_hook: alsoRecorded([
    {
      title: 'a pending hook',
      state: withRecord(`pending Running:1 ${origin} 0 0 0 -`),
      keys: hookKeys,
      args: [at, 'j', `pending Running:1 ${origin} 0 0 0 -`],
      once: true,
    },
  ]),
  record_delivered: [
    {
      title: 'the claimed state',
      state: {
        ...job('Success'),
        ...withRecord(sending().replace('Running', 'Success'), { waits: claimedUntil, known: broken }),
      },
      keys: [track, hooks, due, endpoint, stats],
      args: ofClaim('Success', before, 0, ''),
      goesOn: { [stats]: { ...onlyItsHook, keys: [hooks, due, track] } },
      again: { reason: isDelivered, reply: { outcome: 'recorded', hooks: [{ outcome: 'expired' }] } },
    },
    {
      title: 'of a job that has changed meanwhile',
      state: { ...job('Success'), ...withRecord(sending(), { waits: claimedUntil }) },
      keys: [track, hooks, due, endpoint, stats],
      args: ofClaim('Running', before, 0, ''),
      goesOn: { [stats]: { ...onlyItsHook, keys: [hooks, due] } },
      again: { reason: isDelivered, reply: { outcome: 'recorded', hooks: [{ outcome: 'expired' }] } },
    },
    {
      title: 'several, of which one has changed and one is gone',
      state: {
        ...job('Success'),
        ...withRecord(sending(), { waits: claimedUntil }),
        [hooks]: hash({ j: sending(), b: sending(), gone: sending() }),
        [due]: zset({ j: claimedUntil, b: claimedUntil, gone: claimedUntil }),
        [otherStats]: hash({ status: 'Running', revision: before }),
      },
      keys: [track, hooks, due, endpoint, stats, otherStats, 't:job_stats:gone'],
      args: [...ofClaim('Success', before, 0, ''), ...['b', 'gone'].flatMap((id) => [id, ...ofSent])],
      goesOn: {
        [stats]: { ...onlyItsHook, keys: [hooks, due, track] },
        [otherStats]: { ...onlyItsHook, keys: [hooks, due] },
        't:job_stats:gone': { ...onlyItsHook, keys: [hooks, due] },
      },
      again: {
        reason: isDelivered,
        reply: { outcome: 'recorded', hooks: ['j', 'b', 'gone'].map(() => ({ outcome: 'expired' })) },
      },
    },
  ],
  record_failed: [
    {
      title: 'which opens the circuit',
      state: { ...runs, ...withRecord(sending(), { waits: claimedUntil, known: broken }) },
      keys: [stats, hooks, parked, due, endpoint],
      args: ofClaim('500', 2_000, 9e12, 'deadline', 'failing', 2, 2_000),
      once: true,
      goesOn: { [stats]: anyStats },
    },
    {
      title: 'after the deadline',
      state: { ...runs, ...withRecord(sending(), { waits: claimedUntil }) },
      keys: [stats, hooks, parked, due, endpoint],
      args: ofClaim('timeout', 2_000, 10, 'deadline', 'failing', 2, 2_000),
      once: true,
      goesOn: { [stats]: anyStats },
    },
    {
      title: 'after another host has claimed the hook',
      state: { ...runs, ...withRecord(sending(), { waits: claimedUntil + 1, known: broken }) },
      keys: [stats, hooks, parked, due, endpoint],
      args: ofClaim('500', 2_000, 9e12, 'deadline', 'failing', 2, 2_000),
      once: true,
      goesOn: { [stats]: anyStats },
    },
  ],
  record_unsent: [
    {
      title: 'the probe',
      state: { ...runs, ...withRecord(sending(), { waits: claimedUntil, known: broken }) },
      keys: [hooks, due, endpoint],
      args: ofClaim(),
      once: true,
    },
  ],
  park_hook: [
    {
      title: 'an answer that rejects it',
      state: { ...runs, ...withRecord(sending(), { waits: claimedUntil, known: broken }) },
      keys: [stats, hooks, parked, due, endpoint],
      args: ofClaim('400', 'alive'),
      once: true,
      goesOn: { [stats]: anyStats },
    },
  ],
  remove_hook: [
    {
      title: 'nothing to send',
      state: { ...runs, ...withRecord(sending(), { waits: claimedUntil, known: broken }) },
      keys: [stats, hooks, due, endpoint],
      args: ofClaim(0),
      once: true,
      goesOn: { [stats]: anyStats },
    },
  ],
} satisfies Partial<Record<ScriptName, readonly SetUp[]>>;
