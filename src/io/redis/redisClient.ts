/**
 * What the reaper asks of a live client: any client of ioredis 5 or 6 has it. A client of a Redis Cluster has it too, and
 * is refused at the start with a message that says why.
 */
export interface RedisClient {
  readonly status: string;
  readonly options: object;
  evalsha(...args: never[]): Promise<unknown>;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}
