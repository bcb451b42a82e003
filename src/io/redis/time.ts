import type { Redis } from 'ioredis';

/** Redis TIME in ms: the clock that all hosts share. */
export const redisTime = async (redis: Redis): Promise<number> => {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
};
