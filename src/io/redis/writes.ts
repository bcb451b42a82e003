import type { Deps } from './deps.ts';
import { classify } from './errors.ts';

/**
 * Why Redis refuses writes, and what to do; undefined if it takes them, or if this user may not ask. It changes nothing: Redis checks
 * whether it takes writes before it finds that NX and XX exclude each other.
 */
export const refusalOfWrites = async ({
  connection,
  keys,
}: Pick<Deps, 'connection' | 'keys'>): Promise<string | undefined> => {
  try {
    await connection.redis.call('SET', keys.probe, '1', 'NX', 'XX');
  } catch (error) {
    const { kind, message } = classify(error);
    if (kind === 'refused') return message;
    if ((error as Error).name !== 'ReplyError') throw error;
  }
  return undefined;
};
