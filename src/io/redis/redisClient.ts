/**
 * What the reaper asks of a live client: any client of ioredis 5 or 6 has it. A client of a Redis Cluster has it too, and
 * is refused at the start with a message that says why.
 */
export interface RedisClient {
  readonly status: string;
  readonly options: object;
  /** Runs a script by its digest. Its presence shows that the value is a client. */
  evalsha(...args: never[]): Promise<unknown>;
  /** Adds a listener for events of the connection. */
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  /** Removes a listener. */
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}
