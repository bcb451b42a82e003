import type { SuspensionReason } from '../../machines/refusal.ts';
import type { Deps } from './deps.ts';
import { classify } from './errors.ts';

/**
 * Why Redis refuses writes, and what to do; undefined if it takes them, or if this user may not ask. It changes nothing: Redis checks
 * whether it takes writes before it finds that NX and XX exclude each other.
 */
export const refusalOfWrites = async ({
  connection,
  keys,
}: Pick<Deps, 'connection' | 'keys'>): Promise<SuspensionReason | undefined> => {
  try {
    await connection.redis.call('SET', keys.probe, '1', 'NX', 'XX');
  } catch (error) {
    const { kind, code, message } = classify(error);
    if (kind === 'refused') return { code, message };
    if ((error as Error).name !== 'ReplyError') throw error;
  }
  return undefined;
};
