import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { Clock } from '../../src/io/clock.ts';
import type { ClaimedHook } from '../../src/io/hooks/claims.ts';
import type { HttpReply } from '../../src/io/hooks/http/reply.ts';
import type { HookRecord } from '../../src/io/hooks/record.ts';
import { createHookRecords, type HookRecords, type HookSettings } from '../../src/io/hooks/records.ts';
import { createSender } from '../../src/io/hooks/sender.ts';
import { decodeAck } from '../../src/io/jobs/stats.ts';
import { keysOf } from '../../src/io/redis/keys.ts';
import { createScripts, type ScriptName } from '../../src/io/redis/scripts.ts';
import { type Ack, rank, type Status } from '../../src/machines/facts.ts';
import type { Command } from '../support/everySchedule.ts';
import { turnTaking } from '../support/turnTaking.ts';
import { createUpstream } from '../support/upstream.ts';

/**
 * Actors of the durable hooks on a real Redis (hosts that claim, send and record with the real sender, worker hosts, a Go
 * jobservice, sweeps, people), each at a time of its own, and the invariants that must hold whatever the order. They are
 * looked at after every single command, and not only at the end.
 */

export const keys = keysOf('t');
export const origin = 'http://h';
/** Where a host that has the receiver as moved sends. */
export const elsewhere = 'http://moved';
/** All times are relative to it, in ms. */
export const base = Math.floor(Date.now() / 1_000) * 1_000;
export const claimFor = 60_000;
export const deadline = 86_400_000;
export const settings: HookSettings = {
  maxRecords: 1_000,
  breakerThreshold: 3,
  drainRate: 50,
  claimDuration: claimFor,
};

export const replies = {
  taken: { kind: 'accepted', status: 200 },
  down: { kind: 'retryable', code: '503', reason: 'the endpoint answered 503' },
  unknown: { kind: 'unknown', status: 404, reason: 'the endpoint answered 404' },
  refused: { kind: 'rejected', code: '400', reason: 'the endpoint answered 400' },
} satisfies Record<string, HttpReply>;

/** A POST, and whether the receiver has taken it. */
export interface Sent {
  readonly who: string;
  readonly isTaken: boolean;
}

interface Held {
  readonly who: string;
  readonly claimed: ClaimedHook;
  isSettled: boolean;
}

export interface World {
  readonly sent: Sent[];
  /** What each act has replied, by who did it. */
  readonly said: Record<string, string[]>;
  reset(): Promise<void>;
  seed(id: string, fields?: Record<string, string | number>): Promise<void>;
  /** Commands that wait for their turn, and after each of which the invariants are looked at. */
  watch(command: Command): Command;
  /** The records as an actor sees them at a time, in ms after `base`. */
  recordsOf(command: Command | undefined, who: string, at: number): HookRecords;
  /** A host that claims what is due at a time, sends it, and settles at that time or a later one. */
  host(
    command: Command | undefined,
    who: string,
    at: number,
    reply: HttpReply,
    options?: { readonly settledAt?: number; readonly most?: number },
  ): Promise<void>;
  /** A worker's status change, which notes its hook. */
  status(command: Command | undefined, who: string, status: Status, revision: number, id?: string): Promise<void>;
  /** A worker's report of progress, which notes its hook. */
  checkIn(command: Command | undefined, who: string, id?: string): Promise<void>;
  /** A Go jobservice's status change and ACK: it knows nothing of our keys. */
  goStatus(command: Command | undefined, status: Status, revision: number, id?: string): Promise<void>;
  goAck(command: Command | undefined, status: Status, revision: number, id?: string): Promise<void>;
  resetJob(command: Command | undefined, who: string, id?: string): Promise<void>;
  sweep(command: Command | undefined, state: string, at?: number, to?: string, id?: string): Promise<void>;
  /** A person's act on the record as it stands when it is looked for. */
  person(command: Command | undefined, verb: 'retry' | 'drop', at: number, id?: string): Promise<void>;
  remove(command: Command | undefined, id?: string): Promise<void>;
  stateOf(id?: string): Promise<string>;
  /** The state of a job that its receiver has not confirmed as it stands; undefined for none. */
  owed(id?: string): Promise<string | undefined>;
  record(id?: string): Promise<HookRecord | undefined>;
  /** Everything due is claimed and taken by its receivers, from `at` on. What is left in the queues then is a fault. */
  deliverAll(at: number): Promise<void>;
  /** Fails with what was found at any step. */
  verify(): void;
}

/** The seconds in which an update is written come from Redis; the rest from the actor's own time. */
const clockAt = (read: () => number): Clock => ({
  now: () => base + read(),
  setTimeout: (fn, timeout) => setTimeout(fn, timeout),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
});

const scriptNames: readonly ScriptName[] = [
  'acknowledge',
  'check_in',
  'claim_hooks',
  'drop_hook',
  'enqueue_hooks',
  'forget_parked',
  'move_hook',
  'park_hook',
  'record_delivered',
  'record_failed',
  'record_unsent',
  'reset_job',
  'set_status',
];

/** Has Redis know the scripts, for one that it does not know takes a command more, and every run must be alike. */
export const loadScripts = async (redis: Redis) => {
  for (const name of scriptNames) {
    await createScripts(redis)
      .run(name, Array(8).fill('none'), Array(12).fill('1'))
      .catch(() => undefined);
  }
  await redis.flushall();
};

/** All that the invariants are about, at one moment. */
interface Sight {
  readonly texts: ReadonlyMap<string, string>;
  readonly parked: readonly string[];
  readonly origins: readonly string[];
  readonly queues: ReadonlyMap<string, readonly string[]>;
  /** Keys of the reaper without a time to live. */
  readonly lasting: readonly string[];
  /** ACK and count of each job that was asked for. */
  readonly jobs: readonly [string | null, string | null][];
}

const seeLua = `local jobs, lasting = {}, {}
for i, id in ipairs(ARGV) do
  jobs[i] = { redis.call('HGET', KEYS[8 + i], 'ack'), redis.call('HGET', KEYS[8], id) }
end
for i = 1, 7 do
  if redis.call('TTL', KEYS[i]) == -1 then lasting[#lasting + 1] = KEYS[i] end
end
return { redis.call('HGETALL', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1), redis.call('SMEMBERS', KEYS[3]),
  redis.call('ZRANGE', KEYS[4], 0, -1), redis.call('ZRANGE', KEYS[5], 0, -1), lasting, jobs }`;
const ourKeys = [
  keys.hooks,
  keys.parkedHooks,
  keys.hookOrigins,
  keys.dueHooks(origin),
  keys.dueHooks(elsewhere),
  keys.hookEndpoint(origin),
  keys.hookEndpoint(elsewhere),
];

const see = async (redis: Redis, ids: readonly string[]): Promise<Sight> => {
  const [pairs, parked, origins, here, there, lasting, jobs] = (await redis.eval(
    seeLua,
    ourKeys.length + 1 + ids.length,
    ...ourKeys,
    keys.track,
    ...ids.map(keys.stats),
    ...ids,
  )) as [string[], string[], string[], string[], string[], string[], [string | null, string | null][]];
  const texts = new Map<string, string>();
  for (let i = 0; i < pairs.length; i += 2) texts.set(pairs[i] as string, pairs[i + 1] as string);
  const queues = new Map([
    [origin, here],
    [elsewhere, there],
  ]);
  return { texts, parked, origins, queues, lasting, jobs };
};

/** Above 0 where what is stands further than what was, below where it stands behind it. */
const distance = (is: Ack, was: Ack) =>
  is.revision - was.revision || rank(is.status) - rank(was.status) || is.checkInAt - was.checkInAt;

export const createWorld = (redis: Redis): World => {
  const upstream = createUpstream(redis);
  const sent: Sent[] = [];
  const said: Record<string, string[]> = {};
  let held: Held[] = [];
  let faults: string[] = [];
  let jobs = new Set<string>();
  let removed = new Set<string>();
  /** `id state` of what was parked, by a host or a person. */
  let parkedStates = new Set<string>();
  let lastAcks = new Map<string, Ack>();

  const say = (who: string, what: string) => {
    said[who] = [...(said[who] ?? []), what];
  };
  const run = (command: Command | undefined): Command => command ?? ((_who, _label, act) => act());
  const stateOf = async (id = 'j') => {
    const [status, revision] = await redis.hmget(keys.stats(id), 'status', 'revision');
    return status == null ? 'none:0' : `${status}:${revision ?? 0}`;
  };

  /** What is wrong with the queues; `strictly`: what the next claim would clean up is wrong as well. */
  const queueFaults = ({ texts, parked, origins, queues }: Sight, strictly: boolean): string[] => {
    const wrong: string[] = [];
    for (const [id, text] of texts) {
      const [kind, , to] = text.split(' ') as [string, string, string];
      const isParked = kind === 'parked';
      if (parked.includes(id) !== isParked)
        wrong.push(`${id} is ${kind}, and ${isParked ? 'not ' : ''}among the parked`);
      if (!isParked && !queues.get(to)?.includes(id)) wrong.push(`${id} is ${kind}, and not in the queue of ${to}`);
    }
    for (const id of parked) if (!texts.has(id)) wrong.push(`${id} is among the parked without a record`);
    for (const [to, queue] of queues) {
      if (queue.length > 0 && !origins.includes(to)) wrong.push(`something is due for ${to}, which is no origin`);
      if (!strictly) continue;
      for (const id of queue) {
        const [kind, , there] = texts.get(id)?.split(' ') ?? [];
        if (kind === undefined || kind === 'parked' || there !== to) wrong.push(`${id} is left in the queue of ${to}`);
      }
    }
    return wrong;
  };

  const look = async (after: string, strictly = false) => {
    const ids = [...jobs].filter((id) => !removed.has(id));
    const sight = await see(redis, ids);
    for (const wrong of queueFaults(sight, strictly)) faults.push(`after ${after}: ${wrong}`);
    for (const key of sight.lasting) faults.push(`after ${after}: ${key} never expires`);
    ids.forEach((id, i) => {
      const [text, count] = sight.jobs[i] as [string | null, string | null];
      if (Number(count ?? 0) < 0) faults.push(`after ${after}: ${id} is counted below 0`);
      const ack = decodeAck(text ?? undefined);
      const was = lastAcks.get(id);
      if (ack === undefined || ack === 'unreadable') lastAcks.delete(id);
      else {
        // The Go side takes an ACK back to one without a report of progress (defect 30): no fault of ours.
        if (was !== undefined && distance(ack, was) < 0 && !after.startsWith('go'))
          faults.push(`after ${after}: the ACK of ${id} goes back`);
        lastAcks.set(id, ack);
      }
    });
  };

  const recordsOf = (client: Redis, who: string, clock: Clock): HookRecords => {
    const connection = { redis: client, description: '', epoch: () => 1, close: async () => undefined };
    const records = createHookRecords({ connection, keys, scripts: createScripts(client), settings, clock });
    return {
      ...records,
      async claim(to, most) {
        const claim = await records.claim(to, most);
        for (const claimed of claim.hooks) {
          const other = held.find(
            (one) => !one.isSettled && one.claimed.id === claimed.id && one.claimed.until > claimed.at,
          );
          if (other !== undefined) faults.push(`${who} claims ${claimed.id} while ${other.who} holds it`);
          held.push({ who, claimed, isSettled: false });
          const state = `${claimed.stats.status}:${claimed.stats.revision}`;
          if (parkedStates.has(`${claimed.id} ${state}`)) {
            faults.push(`${who} is given ${claimed.id} ${state}, which is parked and was not asked for`);
          }
        }
        return claim;
      },
      async forgetParked(age) {
        const count = await records.forgetParked(age);
        // What is forgotten is found anew by the next sweep.
        if (count > 0) parkedStates.clear();
        return count;
      },
      async recordAttempt(claimed, attemptRecord) {
        const reply = await records.recordAttempt(claimed, attemptRecord);
        for (const one of held) if (one.claimed === claimed) one.isSettled = true;
        if (reply === 'parked') {
          parkedStates.add(`${claimed.id} ${claimed.stats.status}:${claimed.stats.revision}`);
        }
        say(who, `${attemptRecord.verb} ${reply}`);
        return reply;
      },
    };
  };

  const hostWith = (client: Redis, who: string, at: number, reply: HttpReply, settledAt: number) => {
    let time = at;
    const clock = clockAt(() => time);
    const records = recordsOf(client, who, clock);
    const connection = { redis: client, description: '', epoch: () => 1, close: async () => undefined };
    const sender = createSender({
      connection,
      keys,
      scripts: createScripts(client),
      records,
      httpClient: {
        async post() {
          sent.push({ who, isTaken: reply.kind === 'accepted' });
          time = settledAt;
          return reply;
        },
        close: async () => undefined,
      },
      settings: { deadline, maxAge: 7 * 86_400_000, timeout: 1_000 },
      clock,
      random: () => 0.5,
      onOutcome: ({ outcome, reason }) => say(who, `${outcome}${reason?.startsWith('Redis') ? ` ${reason}` : ''}`),
    });
    return {
      records,
      async round(to: string, most: number) {
        const { hooks } = await records.claim(to, most);
        for (const claimed of hooks) await sender.deliver(claimed);
        return hooks.length;
      },
    };
  };

  const clientFor = (command: Command | undefined, who: string) =>
    command === undefined ? redis : turnTaking(redis, command, who);

  const world: World = {
    sent,
    said,
    async reset() {
      sent.length = 0;
      for (const who of Object.keys(said)) delete said[who];
      [held, faults, jobs, removed] = [[], [], new Set(), new Set()];
      [parkedStates, lastAcks] = [new Set(), new Map()];
      await redis.flushall();
    },
    async seed(id, fields = {}) {
      jobs.add(id);
      const second = base / 1_000;
      await redis
        .multi()
        .hset(keys.stats(id), {
          id,
          name: 'X',
          kind: 'Generic',
          status: 'Running',
          update_time: second,
          revision: 100,
          web_hook_url: `${origin}/x`,
          ...fields,
        })
        .hset(keys.track, id, 2)
        .exec();
    },
    watch: (command) => (who, label, act) =>
      command(who, label, async () => {
        const result = await act();
        await look(`${who}: ${label}`);
        return result;
      }),
    recordsOf: (command, who, at) =>
      recordsOf(
        clientFor(command, who),
        who,
        clockAt(() => at),
      ),
    async host(command, who, at, reply, { settledAt = at, most = 100 } = {}) {
      await hostWith(clientFor(command, who), who, at, reply, settledAt).round(origin, most);
    },
    async checkIn(command, who, id = 'j') {
      const client = clientFor(command, who);
      const hook = recordsOf(
        client,
        who,
        clockAt(() => 0),
      ).hookTail(origin);
      await createScripts(client).run('check_in', [keys.stats(id), ...hook.keys], ['', id, ...hook.args]);
    },
    async status(command, who, status, revision, id = 'j') {
      const client = clientFor(command, who);
      const hook = recordsOf(
        client,
        who,
        clockAt(() => 0),
      ).hookTail(origin);
      const { outcome } = await createScripts(client).run(
        'set_status',
        [keys.stats(id), keys.track, ...hook.keys],
        [status, revision, id, '', ...hook.args],
      );
      say(who, `${status} ${outcome}`);
    },
    async goStatus(command, status, revision, id = 'j') {
      await run(command)('go', `set status ${status}`, () => upstream.setStatus(id, status, revision));
    },
    async goAck(command, status, revision, id = 'j') {
      await run(command)('go', `ACK ${status}`, () => upstream.ack(id, status, revision, 0));
    },
    async resetJob(command, who, id = 'j') {
      await createScripts(clientFor(command, who)).run('reset_job', [keys.stats(id), keys.track], [id, 'Pending', '']);
    },
    async sweep(command, state, at = 0, to = origin, id = 'j') {
      const [reply] = await world.recordsOf(command, 'sweep', at).enqueue([{ id, state, endpoint: to }]);
      say('sweep', String(reply ?? ''));
    },
    async person(command, verb, at, id = 'j') {
      const records = world.recordsOf(command, 'person', at);
      const record = await records.find(id);
      if (record === undefined) return;
      const reply = await records.move(record, verb);
      say('person', `${verb} ${reply}`);
      if (reply !== 'done') return;
      if (verb === 'drop') parkedStates.add(`${id} ${record.about}`);
      // If the job has changed, its new state was not parked.
      else for (const key of [...parkedStates]) if (key.startsWith(`${id} `)) parkedStates.delete(key);
    },
    async remove(command, id = 'j') {
      removed.add(id);
      await run(command)('expiry', 'the stats are deleted', () => redis.del(keys.stats(id)));
    },
    stateOf,
    async owed(id = 'j') {
      const fields = ['status', 'revision', 'check_in_at', 'ack'] as const;
      const [status, revision, checkInAt, text] = await redis.hmget(keys.stats(id), ...fields);
      if (status == null) return undefined;
      const ack = decodeAck(text ?? undefined);
      const now = { status: status as Status, revision: Number(revision), checkInAt: Number(checkInAt ?? 0) };
      const isConfirmed = ack !== undefined && ack !== 'unreadable' && distance(now, ack) <= 0;
      return isConfirmed ? undefined : `${status}:${revision}`;
    },
    record: (id = 'j') => world.recordsOf(undefined, 'test', 0).find(id),
    async deliverAll(at) {
      for (const to of await redis.smembers(keys.hookOrigins)) {
        // The rate to an endpoint that has recovered is limited, so time must pass.
        for (let time = at; (await redis.zrangebyscore(keys.dueHooks(to), 0, base + time)).length > 0; time += 100) {
          if (time > at + 600_000) throw new Error(`what is due for ${to} is never delivered`);
          await hostWith(redis, 'last', time, replies.taken, time).round(to, 100);
        }
      }
      await look('the last round', true);
    },
    verify() {
      expect(faults).toEqual([]);
    },
  };
  return world;
};
