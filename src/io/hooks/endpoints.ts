import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { isWrongType } from '../redis/errors.ts';
import { inChunks, readSet } from '../redis/paged.ts';
import { redisTime } from '../redis/time.ts';
import { orNamed, unlessWrongType } from '../redis/wrongTypes.ts';
import type { Breaker, ClaimSettings } from './claims.ts';
import { type HookRecord, isMisdated, recordOf, requeueAfter } from './record.ts';

/** An endpoint, the state of its circuit breaker, and how many hooks wait for it. */
export interface EndpointStatus {
  /** Scheme, host and port. */
  readonly endpoint: string;
  readonly pending: number;
  readonly breaker: Breaker;
  /** Consecutive failures. */
  readonly failures: number;
  /** When the first of them happened, in ms; undefined if there is none. */
  readonly failingSince: number | undefined;
  /** The last answer, or a short code of the failure. */
  readonly answer: string | undefined;
  /** How long until a hook may be sent, in ms; undefined if none waits. */
  readonly wait: number | undefined;
  /** How long the oldest hook has been due, in ms; 0 if none is. */
  readonly overdue: number;
}

export interface Endpoints {
  /** All endpoints that have hooks, or that are failing. */
  endpoints(): Promise<EndpointStatus[]>;
  /** At most `max` of them, with as much work however many there are. */
  firstEndpoints(max: number): Promise<EndpointStatus[]>;
  /**
   * When a hook may be attempted next, in ms: when it is due, or its claim expires, and the circuit of its endpoint lets a probe
   * through. In the past if it is due. Undefined for a hook that is in no queue.
   */
  nextAttempt(hook: HookRecord): Promise<number | undefined>;
}

/** The status of an endpoint whose keys hold another type. */
const unreadable = {
  pending: 0,
  breaker: 'closed',
  failures: 0,
  failingSince: undefined,
  answer: 'unreadable',
  wait: undefined,
  overdue: 0,
} as const;

const stateFields = ['failures', 'open_until', 'probe_until', 'failing_since', 'answer', 'tokens'] as const;

/** For how long a circuit is open at most, in ms; `isAhead` in `lua/includes/hook_endpoint.lua` says what is beyond. */
const longestOpen = 600_000;
/** How many of the hooks that are due in more than `requeueAfter` are looked at. */
const maxFar = 16;

/** Redis can hold any text, and infinite scores. */
const finite = (text: string | null | undefined): number | undefined =>
  text != null && Number.isFinite(Number(text)) ? Number(text) : undefined;

/** Whether any of these hooks has a time of before the clock went back. The next claim makes such hooks due. */
const isAnyMisdated = async (
  { connection, keys }: Pick<Deps, 'connection' | 'keys'>,
  ids: readonly string[],
  at: number,
): Promise<boolean> => {
  if (ids.length === 0) return false;
  const texts = await unlessWrongType<(string | null)[]>(connection.redis.hmget(keys.hooks, ...ids), []);
  return texts.some((text) => {
    const record = recordOf('', text ?? '');
    return record !== undefined && isMisdated(record, at);
  });
};

export const createEndpoints = ({
  connection,
  keys,
  clock,
  settings,
}: Pick<Deps, 'connection' | 'keys' | 'clock'> & {
  settings: Pick<ClaimSettings, 'breakerThreshold' | 'claimDuration'>;
}): Endpoints => {
  const { redis } = connection;
  const now = async () => {
    const override = clockOverride(clock);
    return override === '' ? redisTime(redis) : Number(override);
  };

  const read = async (endpoint: string, at: number): Promise<EndpointStatus> => {
    const queue = keys.dueHooks(endpoint);
    const [pending, [, first], far, state] = await Promise.all([
      redis.zcard(queue),
      redis.zrange(queue, '0', '0', 'WITHSCORES'),
      redis.zrangebyscore(queue, `(${at + requeueAfter}`, '+inf', 'LIMIT', 0, maxFar),
      redis.hmget(keys.hookEndpoint(endpoint), ...stateFields) as Promise<(string | null)[]>,
    ]);
    const left = (await isAnyMisdated({ connection, keys }, far, at)) ? 0 : (finite(first) ?? at) - at;
    const [failures, , , since, answer, tokens] = state;
    const count = finite(failures) ?? 0;
    const isBroken = count >= settings.breakerThreshold;
    const rest = openUntilOf(state, at) - at;
    return {
      endpoint,
      pending,
      breaker: isBroken ? (rest > 0 ? 'open' : 'probing') : tokens == null ? 'closed' : 'draining',
      failures: count,
      failingSince: finite(since),
      answer: answer ?? undefined,
      wait: first === undefined ? undefined : Math.max(0, rest, left),
      overdue: first === undefined ? 0 : Math.max(0, at - (finite(first) ?? at)),
    };
  };

  /** Until when the circuit lets nothing through, in ms; 0 for a closed one. */
  const openUntilOf = ([failures, openUntil, probeUntil]: readonly (string | null)[], at: number): number => {
    const until = Math.max(finite(openUntil) ?? 0, finite(probeUntil) ?? 0);
    const isTooFar = until - at > Math.max(longestOpen, settings.claimDuration);
    return (finite(failures) ?? 0) < settings.breakerThreshold || isTooFar ? 0 : until;
  };

  const readAll = async (endpoints: readonly string[]) => {
    const at = await now();
    return inChunks(endpoints, (endpoint) =>
      read(endpoint, at).catch((error: unknown): EndpointStatus => {
        // A key of the wrong type affects one endpoint and must not hide the others.
        if (!isWrongType(error)) throw error;
        return { ...unreadable, endpoint };
      }),
    );
  };

  return {
    async endpoints() {
      const origins = readSet(connection, keys.hookEndpoints);
      return readAll((await orNamed(redis, [keys.hookEndpoints, 'set'], origins)).sort());
    },
    async firstEndpoints(max) {
      const [, found] = await redis.sscan(keys.hookEndpoints, '0', 'COUNT', max);
      return readAll(found.slice(0, max).sort());
    },
    async nextAttempt(hook) {
      const [time, due, state] = await Promise.all([
        now(),
        unlessWrongType(redis.zscore(keys.dueHooks(hook.endpoint), hook.id), null),
        unlessWrongType<(string | null)[]>(redis.hmget(keys.hookEndpoint(hook.endpoint), ...stateFields), []),
      ]);
      const at = finite(due);
      if (at === undefined) return undefined;
      const isDue = at > time + requeueAfter && isMisdated(hook, time);
      return Math.max(isDue ? time : at, openUntilOf(state, time));
    },
  };
};
