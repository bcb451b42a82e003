import type { Redis } from 'ioredis';

/** A way in which Redis refuses writes, and how it takes them again. */
export interface WriteRefusal {
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
}

/** By the first word of the error. A failed snapshot (MISCONF) is for each test to arrange. */
export const writeRefusals = (redis: () => Redis): Record<'READONLY' | 'OOM' | 'NOREPLICAS', WriteRefusal> => ({
  READONLY: { begin: () => redis().replicaof('127.0.0.1', 1), end: () => redis().replicaof('NO', 'ONE') },
  OOM: { begin: () => redis().config('SET', 'maxmemory', '1'), end: () => redis().config('SET', 'maxmemory', '0') },
  NOREPLICAS: {
    begin: () => redis().config('SET', 'min-replicas-to-write', '1'),
    end: () => redis().config('SET', 'min-replicas-to-write', '0'),
  },
});
