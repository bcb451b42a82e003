import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import type { ClaimedReply } from '../redis/replies/hooks.ts';
import { retry } from '../redis/retry.ts';
import { claimOnce } from '../redis/scripts.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';

/** A hook that this host has claimed, with the stats of its job at that moment. */
export interface ClaimedHook {
  /** Id of the job. */
  readonly id: string;
  /** Scheme, host and port. */
  readonly endpoint: string;
  /** A user asked to send it, however old it is. */
  readonly isRequested: boolean;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  /** When it was claimed, and until when no other host may send it, in ms by the clock of Redis. */
  readonly at: number;
  readonly until: number;
  /** When the claim was sent, by `performance.now()`: the reply may have taken long. */
  readonly askedAt: number;
  readonly stats: Readonly<Record<string, string>>;
}

/** State of an endpoint's circuit breaker. `draining`: it has recovered, and deliveries are rate-limited. */
export type Breaker = 'closed' | 'open' | 'probing' | 'draining';

export interface Claim {
  readonly hooks: readonly ClaimedHook[];
  readonly breaker: Breaker;
  /** How long until there may be more to claim, in ms; undefined if the queue is empty. */
  readonly wait: number | undefined;
  /** Jobs whose hooks were due next at that moment, up to twice as many as were asked for. */
  readonly next: readonly string[];
}

export interface ClaimSettings {
  /** Consecutive failures that open a breaker. */
  readonly breakerThreshold: number;
  /** Hooks per second to an endpoint that has recovered. */
  readonly drainRate: number;
  /** How long a claim is valid, in ms. It must be longer than any attempt takes. */
  readonly claimDuration: number;
}

export interface Claims {
  /** Claims up to `max` due hooks of an endpoint; with `ids` only hooks of these jobs. */
  claim(endpoint: string, max: number, ids?: readonly string[]): Promise<Claim>;
}

/** The fields of a job's stats, in the order of STATS in the script `claim_hooks`. */
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

const isUnread = ([, , , stats]: ClaimedReply): boolean => stats === 'unread';

export const createClaims = ({
  connection: { redis },
  keys,
  scripts,
  clock,
  settings,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & { settings: ClaimSettings }): Claims => {
  const readStats = async (id: string) => {
    const values = await unlessWrongType<(string | null)[]>(redis.hmget(keys.stats(id), ...statsFields), []);
    return values.map((value) => value ?? false);
  };

  /** The reply to a repeated claim leaves out the stats. */
  const withStats = async (hook: ClaimedReply): Promise<ClaimedReply> => {
    const [id, kind, attempt] = hook;
    return isUnread(hook) ? [id, kind, attempt, await readStats(id)] : hook;
  };

  return {
    async claim(endpoint, max, named) {
      const ids = named ?? (await redis.zrange(keys.dueHooks(endpoint), '0', String(max - 1)));
      const change = claimOnce(keys);
      const askedAt = performance.now();
      const reply = await retry(clock, () =>
        scripts.run(
          'claim_hooks',
          [
            keys.hooks,
            keys.dueHooks(endpoint),
            keys.hookEndpoint(endpoint),
            keys.hookEndpoints,
            ...ids.map(keys.stats),
          ],
          [
            clockOverride(clock),
            settings.claimDuration,
            max,
            settings.breakerThreshold,
            settings.drainRate,
            endpoint,
            ...ids,
          ],
          undefined,
          change,
        ),
      );
      const { breaker, wait, at, until, next } = reply;
      const hooks = reply.hooks.some(isUnread) ? await Promise.all(reply.hooks.map(withStats)) : reply.hooks;
      return {
        breaker,
        wait,
        next,
        hooks: hooks.map(([id, kind, attempt, stats]) => ({
          ...{ id, endpoint, attempt, at, until, askedAt },
          isRequested: kind === 'asked',
          stats: statsOf(stats as Exclude<typeof stats, 'unread'>),
        })),
      };
    },
  };
};

const statsOf = (values: readonly (string | false)[] = []): Record<string, string> => {
  const stats: Record<string, string> = {};
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value === 'string') stats[statsFields[i] as string] = value;
  }
  return stats;
};
