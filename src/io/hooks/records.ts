import type { HookEnd } from '../../machines/job.ts';
import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { isWrongType } from '../redis/errors.ts';
import { inChunks, partsOf, readSet } from '../redis/paged.ts';
import { type ChangeOnce, changeOnce, claimOnce, type Fence } from '../redis/scripts.ts';
import { redisTime } from '../redis/time.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';
import { retry } from './retry.ts';

/** A change that a receiver is to be told of: whose, of which state, and where. */
export interface Change {
  readonly id: string;
  /** `status:revision`. */
  readonly state: string;
  readonly origin: string;
}

/** A hook that this host has claimed, and the stats as they stood at that moment. */
export interface Claimed {
  readonly id: string;
  readonly origin: string;
  /** A person asked for it, whatever its age. */
  readonly isAsked: boolean;
  /** This attempt counted. */
  readonly attempt: number;
  /** When it was claimed, and until when nobody else may send it, in ms by the clock of Redis. */
  readonly at: number;
  readonly until: number;
  /** When it was asked for, by `performance.now()`: an answer of Redis may have been long on its way. */
  readonly askedAt: number;
  readonly stats: Readonly<Record<string, string>>;
}

export type Breaker = 'closed' | 'open' | 'probing' | 'draining';

export interface Claim {
  readonly hooks: readonly Claimed[];
  readonly breaker: Breaker;
  /** How long until there may be more to claim, in ms; undefined where nothing waits. */
  readonly wait: number | undefined;
}

/** What became of an attempt, for `settle`. */
export type AttemptRecord =
  | {
      readonly verb: 'delivered';
      readonly status: string;
      readonly revision: number;
      readonly checkInAt: number;
      readonly unreadableAck: string | undefined;
    }
  | {
      readonly verb: 'failed';
      /** What came back, a word. */
      readonly answer: string;
      /** In ms. */
      readonly delay: number;
      /** Since the first try, in ms, after which it is parked for `reason`. */
      readonly patience: number;
      readonly reason: string;
      readonly isEndpointAlive: boolean;
      /** How long an opening breaker stays open at first, in ms. */
      readonly openFor: number;
    }
  | { readonly verb: 'parked'; readonly reason: string; readonly isEndpointAlive: boolean }
  /** This host could not send it: it is due again at once, for another host too, and no attempt is used. */
  | { readonly verb: 'unsent' }
  | { readonly verb: 'dropped' };
export type SettleReply = 'ok' | 'again' | 'parked' | 'pending' | 'lost';

/** A record as a person sees it. */
export interface HookRecord {
  readonly id: string;
  readonly state: 'pending' | 'sending' | 'parked';
  /** `status:revision` of the job that it is about. */
  readonly about: string;
  readonly origin: string;
  readonly attempts: number;
  /** Of the first and the last try, unix s; undefined before it. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  /** What came back last, or why it is parked. */
  readonly answer: string | undefined;
  /** As it stands in Redis: what a change to it is checked against. */
  readonly text: string;
}

/** A receiver, and what waits for it. */
export interface EndpointStatus {
  readonly origin: string;
  readonly pending: number;
  readonly breaker: Breaker;
  /** Failures in a row. */
  readonly failures: number;
  /** Since when it has failed, in ms. */
  readonly failingSince: number | undefined;
  readonly answer: string | undefined;
  /** How long until something may be sent to it, in ms; undefined where nothing waits. */
  readonly wait: number | undefined;
}

export interface HookSettings {
  /** Records that there may be. */
  readonly most: number;
  /** Failures in a row that open a breaker. */
  readonly breakAfter: number;
  /** Hooks a second to a receiver that has come back. */
  readonly drainPerSecond: number;
  /** How long a claim holds, in ms: longer than any attempt takes. */
  readonly claimFor: number;
}

/** The records of undelivered hooks, in Redis. Every change is one script. */
export interface HookRecords {
  /** What a status change needs to note its hook in the same step: keys and arguments of its script. */
  partOf(origin: string | undefined): { readonly keys: readonly string[]; readonly args: readonly (string | number)[] };
  /** For each change what becomes of it, or an error that names the queue of its receiver, where that can't be written. */
  enqueue(changes: readonly Change[], fence?: Fence | undefined): Promise<(HookEnd | Error)[]>;
  /** What `enqueue` would say of those changes that would not be noted; undefined for the others. Changes nothing. */
  plan(changes: readonly Change[]): Promise<(HookEnd | undefined)[]>;
  /** Takes up to `most` hooks of a receiver that are due; with `ids` only hooks of these jobs. */
  claim(origin: string, most: number, ids?: readonly string[]): Promise<Claim>;
  settle(claimed: Claimed, attemptRecord: AttemptRecord): Promise<SettleReply>;
  /** All receivers that have ever been told something, save those that nothing is known of any more. */
  endpoints(): Promise<EndpointStatus[]>;
  parkedCount(): Promise<number>;
  /** Which of these jobs are parked. */
  areParked(ids: readonly string[]): Promise<boolean[]>;
  find(id: string): Promise<HookRecord | undefined>;
  findAll(ids: readonly string[]): Promise<HookRecord[]>;
  /** All records, a bounded number at a time. */
  all(): AsyncIterable<readonly HookRecord[]>;
  move(record: HookRecord, verb: 'retry' | 'drop'): Promise<'ok' | 'overtaken'>;
  /** Forgets what was parked more than `age` ms ago. Gives how many. */
  forgetParked(age: number): Promise<number>;
}

/** Fields in the order of STATS in `lua/hooks/claim_hooks.lua`. */
const statsFields = [
  'id',
  'name',
  'kind',
  'unique',
  'status',
  'ref_link',
  'enqueue_time',
  'run_at',
  'cron_spec',
  'web_hook_url',
  'numeric_policy_id',
  'update_time',
  'revision',
  'check_in_at',
  'die_at',
  'upstream_job_id',
  'parameters',
  'ack',
] as const;

const stride = 500;
/** Changes that one step notes. */
const changesAtOnce = 200;

/** What is said of a receiver whose keys hold something else. */
const unreadable = {
  pending: 0,
  breaker: 'closed',
  failures: 0,
  failingSince: undefined,
  answer: 'unreadable',
  wait: undefined,
} as const;

export const createHookRecords = ({
  connection,
  keys,
  scripts,
  settings,
  clock,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  settings: HookSettings;
}): HookRecords => {
  const { redis } = connection;
  const standIn = () => clockOverride(clock);
  /** The clock of Redis, or what stands for it, in ms. */
  const now = async () => (standIn() === '' ? redisTime(redis) : Number(standIn()));

  const enqueue = (
    changes: readonly Change[],
    stats: readonly string[],
    fence: Fence | undefined,
  ): Promise<string[]> => {
    const origins = [...new Set(changes.map(({ origin }) => origin))];
    return scripts.run(
      'enqueue_hooks',
      [keys.hooks, keys.parkedHooks, keys.hookOrigins, ...origins.map(keys.dueHooks), ...stats],
      [
        standIn(),
        settings.most,
        origins.length,
        ...origins,
        ...changes.flatMap(({ id, state, origin }) => [id, state, origins.indexOf(origin) + 1]),
      ],
      fence,
    );
  };

  const readStats = async (id: string): Promise<(string | null)[]> => {
    try {
      return await redis.hmget(keys.stats(id), ...statsFields);
    } catch (error) {
      if (isWrongType(error)) return [];
      throw error;
    }
  };

  return {
    partOf: (origin = '') => ({
      keys: [keys.hooks, keys.parkedHooks, keys.hookOrigins, keys.dueHooks(origin)],
      args: [origin, standIn(), settings.most],
    }),

    async enqueue(changes, fence) {
      if (changes.length === 0) return [];
      const replies: string[] = [];
      for (const some of partsOf(changes, changesAtOnce)) {
        for (const reply of await enqueue(some, [], fence)) replies.push(reply);
      }
      // Few, if any: the stats of all would make every page dearer.
      const unclear = changes.filter((_, i) => replies[i] === 'look');
      const known =
        unclear.length === 0
          ? []
          : await enqueue(
              unclear,
              unclear.map(({ id }) => keys.stats(id)),
              fence,
            );
      return replies.map((reply) => endOf(reply === 'look' ? (known.shift() as string) : reply));
    },

    async plan(changes) {
      const ids = changes.map(({ id }) => id);
      const texts = await unlessWrongType<(string | null)[]>(redis.hmget(keys.hooks, ...ids), []);
      const count = await unlessWrongType(redis.hlen(keys.hooks), 0);
      // Few origins; the bounds are those of `roomFor` in `lua/includes/enqueue_hook.lua`.
      const rooms = new Map<string, number>();
      for (const { origin } of changes) {
        if (rooms.has(origin)) continue;
        const short = 100 - (await unlessWrongType(redis.zcard(keys.dueHooks(origin)), 0));
        rooms.set(origin, Math.max(settings.most - count, Math.min(short, Math.ceil(1.25 * settings.most) - count)));
      }
      let added = 0;
      return changes.map(({ id, state, origin }, i) => {
        const record = recordOf(id, texts[i] ?? '');
        if (record !== undefined) return record.state === 'parked' && record.about === state ? 'parked' : undefined;
        if ((rooms.get(origin) ?? 0) <= added) return 'deferred';
        added += 1;
        return undefined;
      });
    },

    async claim(origin, most, named) {
      const ids = named ?? (await redis.zrange(keys.dueHooks(origin), '0', String(most - 1)));
      const change = claimOnce(keys);
      const askedAt = performance.now();
      const [wait, breaker, ...taken] = await retry(clock, () =>
        scripts.run(
          'claim_hooks',
          [keys.hooks, keys.dueHooks(origin), keys.hookEndpoint(origin), keys.hookOrigins, ...ids.map(keys.stats)],
          [standIn(), settings.claimFor, most, settings.breakAfter, settings.drainPerSecond, origin, ...ids],
          undefined,
          change,
        ),
      );
      // Its first answer was lost, and the stats with it.
      await Promise.all(
        taken.map(async (hook) => {
          if (hook[5] === 'unread') hook.splice(5, 1, ...(await readStats(hook[0] as string)));
        }),
      );
      return {
        breaker,
        wait: Number(wait) < 0 ? undefined : Number(wait),
        hooks: taken.map(([id, kind, attempt, at, until, ...values]) => ({
          id: id as string,
          origin,
          isAsked: kind === 'asked',
          attempt: Number(attempt),
          at: Number(at),
          until: Number(until),
          askedAt,
          stats: Object.fromEntries(
            statsFields.flatMap((field, i) => (values[i] == null ? [] : [[field, values[i] as string]])),
          ),
        })),
      };
    },

    settle({ id, origin, until, stats }, attemptRecord) {
      const settle = (change?: ChangeOnce) =>
        scripts.run(
          'settle_hook',
          [keys.stats(id), keys.track, keys.hooks, keys.parkedHooks, keys.dueHooks(origin), keys.hookEndpoint(origin)],
          [standIn(), id, until, settings.breakAfter, ...argsOf(attemptRecord, stats)],
          undefined,
          change,
        );
      // What was delivered may be noted twice: its sender tries for longer, and asks for no more than that it is noted.
      if (attemptRecord.verb === 'delivered') return settle();
      const change = changeOnce(keys, id);
      return retry(clock, () => settle(change));
    },

    async endpoints() {
      const origins = (await readSet(connection, keys.hookOrigins)).sort();
      const at = await now();
      const read = async (origin: string): Promise<EndpointStatus> => {
        const [pending, [, first], [failures, openUntil, probeUntil, since, answer, tokens]] = await Promise.all([
          redis.zcard(keys.dueHooks(origin)),
          redis.zrange(keys.dueHooks(origin), '0', '0', 'WITHSCORES'),
          redis.hmget(
            keys.hookEndpoint(origin),
            'failures',
            'open_until',
            'probe_until',
            'failing_since',
            'answer',
            'tokens',
          ) as Promise<(string | null)[]>,
        ]);
        const count = Number(failures ?? 0);
        const isBroken = count >= settings.breakAfter;
        const rest = isBroken ? Math.max(Number(openUntil ?? 0), Number(probeUntil ?? 0)) - at : 0;
        return {
          origin,
          pending,
          breaker: isBroken ? (rest > 0 ? 'open' : 'probing') : tokens == null ? 'closed' : 'draining',
          failures: count,
          failingSince: since == null ? undefined : Number(since),
          answer: answer ?? undefined,
          wait: first === undefined ? undefined : Math.max(0, rest, Number(first) - at),
        };
      };
      // Of one receiver whose keys are none of ours no more is known; it must not keep the others from being told.
      return inChunks(origins, (origin) =>
        read(origin).catch((error: Error): EndpointStatus => {
          if (!error.message.startsWith('WRONGTYPE')) throw error;
          return { ...unreadable, origin };
        }),
      );
    },

    parkedCount: () => redis.zcard(keys.parkedHooks),

    async areParked(ids) {
      if (ids.length === 0) return [];
      return (await redis.zmscore(keys.parkedHooks, [...ids])).map((score) => score !== null);
    },

    async find(id) {
      const text = await redis.hget(keys.hooks, id);
      return text === null ? undefined : recordOf(id, text);
    },

    async findAll(ids) {
      if (ids.length === 0) return [];
      const texts = await redis.hmget(keys.hooks, ...ids);
      return ids.flatMap((id, i) => recordOf(id, texts[i] ?? '') ?? []);
    },

    async *all() {
      let cursor = '0';
      do {
        const [next, pairs] = await redis.hscan(keys.hooks, cursor, 'COUNT', stride);
        const records: HookRecord[] = [];
        for (let i = 0; i < pairs.length; i += 2) {
          const record = recordOf(pairs[i] as string, pairs[i + 1] as string);
          if (record !== undefined) records.push(record);
        }
        yield records;
        cursor = next;
      } while (cursor !== '0');
    },

    move({ id, origin, text }, verb) {
      const change = changeOnce(keys, id);
      return retry(clock, () =>
        scripts.run(
          'move_hook',
          [keys.hooks, keys.parkedHooks, keys.hookOrigins, keys.dueHooks(origin)],
          [standIn(), id, text, verb],
          undefined,
          change,
        ),
      );
    },

    forgetParked: (age) => scripts.run('forget_parked', [keys.hooks, keys.parkedHooks], [standIn(), age, stride]),
  };
};

const argsOf = (attemptRecord: AttemptRecord, stats: Claimed['stats']): (string | number)[] => {
  switch (attemptRecord.verb) {
    case 'delivered': {
      const { verb, status, revision, checkInAt, unreadableAck } = attemptRecord;
      return [verb, status, revision, checkInAt, ...(unreadableAck === undefined ? [] : [unreadableAck])];
    }
    case 'failed': {
      const { verb, answer, delay, patience, isEndpointAlive, openFor, reason } = attemptRecord;
      return [
        verb,
        answer,
        Math.round(delay),
        patience,
        isEndpointAlive ? 'alive' : 'failing',
        Math.round(openFor),
        reason,
      ];
    }
    case 'unsent':
      return [attemptRecord.verb];
    case 'parked':
      return [attemptRecord.verb, attemptRecord.reason, attemptRecord.isEndpointAlive ? 'alive' : '-'];
    case 'dropped':
      return [attemptRecord.verb, stats.check_in_at ?? 0];
  }
};

/** A word of `enqueue_hooks`; anything else that it says is an error. */
const endOf = (reply: string): HookEnd | Error =>
  reply === 'queued' || reply === 'parked' || reply === 'deferred' ? reply : new Error(reply);

/** @returns undefined for a text that is none of ours. */
const recordOf = (id: string, text: string): HookRecord | undefined => {
  const words = /^(pending|asked|sending|resending|parked) (\S+) (\S+) (\d+) (\d+) (\d+) (\S+)$/.exec(text);
  if (words === null) return undefined;
  const [, kind, about, origin, attempts, first, last, answer] = words as unknown as string[];
  return {
    id,
    state: kind === 'asked' ? 'pending' : kind === 'resending' ? 'sending' : (kind as HookRecord['state']),
    about: about as string,
    origin: origin as string,
    attempts: Number(attempts),
    first: Number(first) || undefined,
    last: Number(last) || undefined,
    answer: answer === '-' ? undefined : answer,
    text,
  };
};
