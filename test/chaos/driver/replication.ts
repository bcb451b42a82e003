/**
 * Writes that a failover cannot lose. Redis acknowledges a write before its replicas have it. A host that continued after
 * such a write could run a job that Redis gives to another host after the failover, and no reaper can prevent that. So in
 * runs with sentinels, hosts and the driver continue only after WAIT has confirmed all replicas, and the master refuses
 * writes while a replica is missing (`min-replicas-to-write`). Then every replica that becomes master has the write.
 */
import type { Redis } from 'ioredis';

/** Time-out of WAIT, in ms. */
const confirmMs = 500;

export interface Replication {
  /**
   * Runs a step that writes with this connection. Rejects if the step does, or if it is uncertain whether all replicas have
   * the write.
   */
  confirmed<T>(step: () => Promise<T>): Promise<T>;
}

/** @param replicas the number of replicas that must confirm; 0 for a single Redis. */
export const createReplication = (redis: Redis, replicas: number): Replication => {
  let connections = 0;
  redis.on('ready', () => {
    connections += 1;
  });
  return {
    async confirmed(step) {
      if (replicas === 0) return step();
      const before = connections;
      const result = await step();
      const confirmations = await redis.wait(replicas, confirmMs);
      // WAIT does not cover the writes of another connection.
      if (connections !== before) throw new Error('the connection was lost before replicas could confirm');
      if (confirmations < replicas) throw new Error(`only ${confirmations} of ${replicas} replicas confirmed`);
      return result;
    },
  };
};
