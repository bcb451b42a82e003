import type { Redis } from 'ioredis';
import type { HttpReply } from '../../src/io/hooks/http/reply.ts';
import type { HookRecord } from '../../src/io/hooks/record.ts';
import type { HookRecords } from '../../src/io/hooks/records.ts';
import { decodeAck } from '../../src/io/jobs/stats.ts';
import { createScripts, type ScriptName } from '../../src/io/redis/scripts.ts';
import type { Status } from '../../src/machines/facts.ts';
import type { Command } from '../support/everySchedule.ts';
import { turnTaking } from '../support/turnTaking.ts';
import { createUpstream } from '../support/upstream.ts';
import { createScene, hostWith, recordsOf, type Scene, type Sent } from './hookActors.ts';
import { distance } from './hookInvariants.ts';
import { base, keys, origin, replies } from './hookValues.ts';

/**
 * Actors of the durable hooks on a real Redis (hosts that claim, send and record with the real sender, worker hosts, a Go
 * jobservice, sweeps, people), each at a time of its own, and the invariants that must hold whatever the order. They are
 * looked at after every single command, and not only at the end.
 */

export interface World {
  readonly sent: Sent[];
  /** What each act has replied, by who did it. */
  readonly said: Record<string, string[]>;
  reset(): Promise<void>;
  seed(id: string, fields?: Record<string, string | number>): Promise<void>;
  /** Looks at the invariants after a command. */
  look(step: string): Promise<void>;
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
  /** The state of a job that its endpoint has not confirmed as it stands; undefined for none. */
  owed(id?: string): Promise<string | undefined>;
  record(id?: string): Promise<HookRecord | undefined>;
  /** Everything due is claimed and taken by its endpoints, from `at` on. What is left in the queues then is a fault. */
  deliverAll(at: number): Promise<void>;
  /** Fails with what was found at any step. */
  verify(): void;
}

const scriptNames: readonly ScriptName[] = [
  'acknowledge',
  'check_in',
  'claim_hooks',
  'enqueue_hooks',
  'forget_parked',
  'park_hook',
  'record_delivered',
  'record_failed',
  'record_unsent',
  'drop_hook',
  'remove_hook',
  'retry_hook',
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

export const createWorld = (redis: Redis): World => {
  const scene = createScene(redis);
  const { sent, said, say, invariants } = scene;
  const world: World = {
    sent,
    said,
    ...createJobs(scene),
    async reset() {
      sent.length = 0;
      for (const who of Object.keys(said)) delete said[who];
      invariants.reset();
      await redis.flushall();
    },
    look: (step) => invariants.look(step),
    recordsOf: (command, who, at) => recordsOf(scene, clientFor(redis, command, who), who, at),
    async host(command, who, at, reply, { settledAt = at, most = 100 } = {}) {
      await hostWith(scene, clientFor(redis, command, who), who, at, reply, settledAt).round(origin, most);
    },
    async sweep(command, state, at = 0, to = origin, id = 'j') {
      const [reply] = await world.recordsOf(command, 'sweep', at).enqueue([{ id, state, endpoint: to }]);
      say('sweep', reply?.outcome ?? '');
    },
    async person(command, verb, at, id = 'j') {
      const records = world.recordsOf(command, 'person', at);
      const record = await records.find(id);
      if (record === undefined) return;
      const { outcome } = await records[verb](record);
      say('person', `${verb} ${outcome}`);
      if (outcome !== 'done') return;
      if (verb === 'drop') invariants.dropped(id, record.about);
      else invariants.retried(id);
    },
    record: (id = 'j') => world.recordsOf(undefined, 'test', 0).find(id),
    async deliverAll(at) {
      for (const to of await redis.smembers(keys.hookEndpoints)) {
        // The rate to an endpoint that has recovered is limited, so time must pass.
        for (let time = at; (await redis.zrangebyscore(keys.dueHooks(to), 0, base + time)).length > 0; time += 100) {
          if (time > at + 600_000) throw new Error(`what is due for ${to} is never delivered`);
          await hostWith(scene, redis, 'last', time, replies.taken, time).round(to, 100);
        }
      }
      await invariants.look('the last round', true);
    },
    verify: () => invariants.verify(),
  };
  return world;
};

type JobActs = Pick<
  World,
  'seed' | 'checkIn' | 'status' | 'goStatus' | 'goAck' | 'resetJob' | 'remove' | 'stateOf' | 'owed'
>;

/** Jobs, and what worker hosts and a Go jobservice do to them. */
const createJobs = (scene: Scene): JobActs => {
  const { redis, say, invariants } = scene;
  const upstream = createUpstream(redis);
  const run = (command: Command | undefined): Command => command ?? ((_who, _label, act) => act());
  return {
    seed: (id, fields = {}) => seed(scene, id, fields),
    async checkIn(command, who, id = 'j') {
      const client = clientFor(redis, command, who);
      const hook = recordsOf(scene, client, who, 0).hookTail(origin);
      await createScripts(client).run('check_in', [keys.stats(id), ...hook.keys], ['', id, ...hook.args]);
    },
    async status(command, who, status, revision, id = 'j') {
      const client = clientFor(redis, command, who);
      const hook = recordsOf(scene, client, who, 0).hookTail(origin);
      const { outcome } = await createScripts(client).run(
        'set_status',
        [keys.stats(id), keys.track, ...hook.keys],
        [status, revision, id, ...hook.args],
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
      await createScripts(clientFor(redis, command, who)).run(
        'reset_job',
        [keys.stats(id), keys.track],
        [id, 'Pending', ''],
      );
    },
    async remove(command, id = 'j') {
      invariants.jobRemoved(id);
      await run(command)('expiry', 'the stats are deleted', () => redis.del(keys.stats(id)));
    },
    async stateOf(id = 'j') {
      const [status, revision] = await redis.hmget(keys.stats(id), 'status', 'revision');
      return status == null ? 'none:0' : `${status}:${revision ?? 0}`;
    },
    async owed(id = 'j') {
      const fields = ['status', 'revision', 'check_in_at', 'ack'] as const;
      const [status, revision, checkInAt, text] = await redis.hmget(keys.stats(id), ...fields);
      if (status == null) return undefined;
      const ack = decodeAck(text ?? undefined);
      const now = { status: status as Status, revision: Number(revision), checkInAt: Number(checkInAt ?? 0) };
      const isConfirmed = ack !== undefined && ack !== 'unreadable' && distance(now, ack) <= 0;
      return isConfirmed ? undefined : `${status}:${revision}`;
    },
  };
};

const seed = async ({ redis, invariants }: Scene, id: string, fields: Record<string, string | number>) => {
  invariants.jobAdded(id);
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
};

const clientFor = (redis: Redis, command: Command | undefined, who: string) =>
  command === undefined ? redis : turnTaking(redis, command, who);
