/**
 * Writes that a failover can't lose. Redis acknowledges a write before its replicas have it. A host that went on after
 * such a write would run a job that Redis gives to another host after the failover, and that is no fault of a reaper. So
 * in runs with sentinels hosts and the driver go on only after WAIT has confirmed all replicas, and the master refuses
 * writes while a replica is missing (`min-replicas-to-write`): then whichever replica takes over has the write.
 */
import type { Redis } from 'ioredis';

/** How long replicas have to confirm, in ms. */
const confirmMs = 500;

export interface Replication {
  /**
   * Runs a step that writes through this connection. Rejects where the step does, and where it is not certain that all
   * replicas have what was written.
   */
  confirmed<T>(step: () => Promise<T>): Promise<T>;
}

/** @param replicas how many must confirm; 0 for a Redis that stands alone. */
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
      // WAIT says nothing of what another connection has written.
      if (connections !== before) throw new Error('the connection was lost before replicas could confirm');
      if (confirmations < replicas) throw new Error(`only ${confirmations} of ${replicas} replicas confirm`);
      return result;
    },
  };
};
