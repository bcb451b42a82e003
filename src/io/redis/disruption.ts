import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** What INFO says of which Redis answers, and of what it has refused. Empty texts where the user may not ask. */
export interface Condition {
  readonly runId: string;
  /** Role and replication id: they change with a failover. */
  readonly replication: string;
  /** How often Redis has refused commands, by the word that its error begins with. */
  readonly refused: ReadonlyMap<string, string>;
}

/** Errors of commands, whoever sent them, after which a pool's heartbeat may have been refused too. */
const errorCounts = /^errorstat_(READONLY|OOM|MISCONF|NOREPLICAS|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN):count=(\d+)/gm;

/** Reads the condition of a Redis. Rejects only where it does not answer at all. */
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
 * A condition in a few characters: another one means a disruption since, in which live pools may have missed their
 * heartbeats. Undefined where the user may not ask for INFO, for then no disruption would be seen.
 */
export const digestOf = ({ runId, replication, refused }: Condition): string | undefined =>
  runId === ''
    ? undefined
    : createHash('sha1')
        .update(JSON.stringify([runId, replication, [...refused].sort()]))
        .digest('base64url')
        .slice(0, 12);
