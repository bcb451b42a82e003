import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { inChunks, partsOf } from '../redis/paged.ts';
import { redisTime } from '../redis/time.ts';
import type { Pools } from './rescue.ts';

/** Pools that are remembered, and for how long after the last one, in s. */
const maxRemembered = 10_000;
const retention = 86_400;
/** Pools that one command asks for. */
const batch = 1_000;

/**
 * Finds false deaths: a pool that was declared dead and removed, and whose heartbeat is back. A pool takes a new random name
 * at each start, so only a process that was alive all the time can write a heartbeat under an old name: its workers finish
 * jobs whose entries were requeued. Such a pool may end before the next rescue pass sees it, so the count is a lower bound.
 *
 * The names are in Redis, so that any host can see the return, and one host reports it. Nothing waits for these commands, and
 * a failure of one stops nothing: a false death is then not counted.
 *
 * @param onFalseDeath called once for each return of a pool.
 */
export const withFalseDeaths = (
  pools: Pools,
  { connection: { redis }, keys, clock }: Pick<Deps, 'connection' | 'keys' | 'clock'>,
  onFalseDeath: (pool: string) => void,
): Pools => {
  const now = async () => (clockOverride(clock) === '' ? redisTime(redis) : clock.now());

  const remember = async (pool: string) => {
    const at = await now();
    await Promise.all([
      redis.zadd(keys.declaredDead, at, pool),
      redis.zremrangebyrank(keys.declaredDead, 0, -1 - maxRemembered),
      redis.expire(keys.declaredDead, retention),
    ]);
  };

  /** A host that gives its pools fixed names has started again since: that is not a false death. */
  const hasStartedSince = async (pool: string, declaredAt: number) => {
    const startedAt = Number((await redis.hget(keys.heartbeat(pool), 'started_at')) ?? 0);
    return startedAt * 1_000 + 1_000 > declaredAt;
  };

  const look = async (live: readonly string[]) => {
    const scores = (await inChunks(partsOf(live, batch), (some) => redis.zmscore(keys.declaredDead, [...some]))).flat();
    for (const [i, score] of scores.entries()) {
      const pool = live[i] as string;
      if (score === null) continue;
      const isNew = await hasStartedSince(pool, Number(score));
      if ((await redis.zrem(keys.declaredDead, pool)) === 1 && !isNew) onFalseDeath(pool);
    }
  };

  const inBackground = (step: Promise<void>) => void step.catch(() => undefined);

  return {
    ...pools,
    async find(thorough, disruptions, plan = false, scope = undefined) {
      const found = await pools.find(thorough, disruptions, plan, scope);
      if (!plan && found.live.length > 0) inBackground(look(found.live.map(({ pool }) => pool)));
      return found;
    },
    async deregister(suspect, types) {
      const reply = await pools.deregister(suspect, types);
      // What left only traces may have been stopped, and is not known to have died.
      if (reply.outcome === 'deregistered') inBackground(remember(suspect.pool));
      return reply;
    },
  };
};
