import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** What INFO reports: which Redis process replies, and what it has refused. Empty strings if the user may not run INFO. */
export interface Condition {
  readonly runId: string;
  /** Role and replication id. They change with a failover. */
  readonly replication: string;
  /** How often Redis has refused commands, by the first word of the error. */
  readonly refused: ReadonlyMap<string, string>;
}

/** Command errors, of any client, that may have hit a pool's heartbeat too. */
const errorCounts = /^errorstat_(READONLY|OOM|MISCONF|NOREPLICAS|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN):count=(\d+)/gm;

/** Reads the condition of a Redis. Rejects only if Redis does not reply at all. */
export const readCondition = async (redis: Redis): Promise<Condition> => {
  const [server = '', replication = '', errors = ''] = (
    await Promise.allSettled([redis.info('server'), redis.info('replication'), redis.info('errorstats')])
  ).map((info) => (info.status === 'fulfilled' ? info.value : ''));
  const fieldOf = (text: string, name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(text)?.[1] ?? '';
  return {
    runId: fieldOf(server, 'run_id'),
    replication: `${fieldOf(replication, 'role')} ${fieldOf(replication, 'master_replid')}`,
    refused: new Map([...errors.matchAll(errorCounts)].map(([, name = '', count = '']) => [name, count])),
  };
};

/**
 * A digest of a condition. If it changes, there was a disruption, in which live pools may have missed heartbeats. Undefined
 * if the user may not run INFO: disruptions cannot be seen then.
 */
export const digestOf = ({ runId, replication, refused }: Condition): string | undefined =>
  runId === ''
    ? undefined
    : createHash('sha1')
        .update(JSON.stringify([runId, replication, [...refused].sort()]))
        .digest('base64url')
        .slice(0, 12);
