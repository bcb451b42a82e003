import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { BackgroundError, ConnectionChange, Reaper } from '../../src/index.ts';
import { connect } from '../../src/io/redis/connection.ts';
import { UnusableRedisError } from '../../src/io/redis/errors.ts';
import { createOutages } from '../../src/io/redis/outages.ts';
import { redisFixture } from '../support/fixture.ts';
import { startProxy } from '../support/proxy.ts';

const { server, redis, opened } = await redisFixture();

/** What a reaper reports of its connection. */
const eventsOf = (reaper: Reaper) => {
  const faults: BackgroundError[] = [];
  const changes: ConnectionChange[] = [];
  reaper.on('error', (fault) => void (fault.where === 'the connection to Redis' && faults.push(fault)));
  reaper.on('connection', (change) => void changes.push(change));
  return { faults, changes };
};
const running = (port: number) => {
  const reaper = opened.create({
    redis: { port, retryStrategy: () => 20 },
    role: 'always',
    rescue: { initialDelay: 10, interval: 50 },
  });
  const seen = eventsOf(reaper);
  let rescues = 0;
  reaper.on('rescue', ({ error, suspended }) => {
    if (error === undefined && suspended === undefined) rescues += 1;
  });
  reaper.start();
  return { reaper, ...seen, rescues: () => rescues };
};

describe('fault 145: outages', () => {
  test('each outage is reported once, with its cause, and its end is too', async () => {
    const { faults, changes, rescues } = running(server.port);
    await vi.waitUntil(() => rescues() > 0);
    for (let i = 1; i <= 3; i++) {
      await server.kill();
      await vi.waitUntil(() => faults.length === i);
      await server.restart();
      const before = rescues();
      await vi.waitUntil(() => rescues() > before && changes.length === 2 * i);
    }
    expect(faults.map(({ message }) => message)).toEqual(
      Array(3).fill(expect.stringMatching(/ECONNREFUSED|closed|ECONNRESET/)),
    );
    expect(changes.map(({ state }) => state)).toEqual(['lost', 'restored', 'lost', 'restored', 'lost', 'restored']);
    expect(changes[1]?.durationMs).toBeGreaterThanOrEqual(0);
  });

  test('a connection that is cut and restored at once counts as an outage each time', async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.stop());
    const { faults, changes, rescues } = running(proxy.port);
    await vi.waitUntil(() => rescues() > 0);
    for (let i = 1; i <= 3; i++) {
      proxy.cut();
      await vi.waitUntil(() => changes.length === 2 * i);
    }
    expect(faults).toHaveLength(3);
  });

  test('neither the lease nor a poll for hooks reports it again', async () => {
    await redis.acl('SETUSER', 'worker', 'on', '>first', '~*', '&*', '+@all');
    onTestFinished(() => void redis.acl('DELUSER', 'worker'));
    const reaper = opened.create({
      redis: { port: server.port, username: 'worker', password: 'first' },
      rescue: { initialDelay: 10, interval: 20 },
      lease: { renewInterval: 20, duration: 60_000 },
    });
    const faults: BackgroundError[] = [];
    reaper.on('error', (fault) => void faults.push(fault));
    let failed = 0;
    reaper.on('rescue', ({ error }) => {
      if (error !== undefined) failed += 1;
    });
    const holds = new Promise((resolve) => reaper.on('leader', resolve));
    reaper.start();
    await holds;
    await redis.acl('SETUSER', 'worker', 'resetpass', '>second');
    await redis.client('KILL', 'USER', 'worker');
    await vi.waitUntil(() => failed > 1);
    expect(faults.map(({ where, code, message }) => ({ where, code, message }))).toEqual([
      {
        ...{ where: 'the connection to Redis', code: 'redis-wrong-password' },
        message: expect.stringContaining('refuses the user or password'),
      },
    ]);
  });

  test('a Redis that is missing from the start is one outage, which ends when Redis starts', async () => {
    await server.kill();
    const { reaper, faults, changes, rescues } = running(server.port);
    await vi.waitUntil(() => faults.length > 0);
    await vi.waitUntil(() => !reaper.health().ok);
    expect(reaper.health().detail).toMatch(/Redis unavailable .*ECONNREFUSED/);
    await server.restart();
    await vi.waitUntil(() => rescues() > 0);
    expect(faults).toHaveLength(1);
    expect(changes.map(({ state }) => state)).toEqual(['lost', 'restored']);
    // On a busy machine, passes that are due every 50 ms are late now and then.
    await vi.waitUntil(() => reaper.health().ok);
  });

  test('an outage is logged once a minute, and reported again only when Redis refuses for another reason', async () => {
    let now = 0;
    const lines: string[] = [];
    const outages = createOutages(
      {
        onFault: ({ message }) => void lines.push(message),
        onReminder: ({ message }) => void lines.push(`still: ${message}`),
        onRestored: (ms) => void lines.push(`after ${ms}`),
      },
      () => now,
    );
    outages.confirmed();
    outages.lost();
    for (; now < 150_000; now += 1_000)
      outages.failed(new Error(now % 2_000 === 0 ? 'connect ECONNREFUSED' : 'LOADING'));
    for (let i = 0; i < 5; i++) outages.failed(new Error('WRONGPASS'));
    outages.confirmed();
    outages.lost();
    outages.confirmed();
    expect(lines).toEqual([
      'connect ECONNREFUSED',
      'still: connect ECONNREFUSED',
      'still: connect ECONNREFUSED',
      'after 150000',
      'Redis closed the connection',
      'after 0',
    ]);
  });

  test('alternating refusals, as behind a load balancer, are reported once each', () => {
    const lines: string[] = [];
    const outages = createOutages({ onFault: ({ message }) => void lines.push(message) }, () => 0);
    const refusals = ['one refuses the password', 'the other one is in cluster mode'];
    for (let round = 1; round <= 2; round++) {
      outages.confirmed();
      outages.lost();
      for (let i = 0; i < 20; i++) {
        outages.failed(new UnusableRedisError('redis-wrong-password', 'permanent', refusals[i % 2] as string));
      }
    }
    expect(lines).toEqual([...refusals, ...refusals]);
  });
});

describe('fault 109: a peer that is silent', () => {
  test('a connection without a reply is replaced, and its commands are sent again', async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.stop());
    const faults: string[] = [];
    const connection = connect({ port: proxy.port, socketTimeout: 2_000 }, ({ message }) => void faults.push(message));
    onTestFinished(() => connection.close(0));
    await connection.redis.set('x', 'here');
    proxy.silence();
    expect(await connection.redis.get('x')).toBe('here');
    expect(faults).toEqual([expect.stringContaining('Socket timeout')]);
  });

  test('a connection that falls silent while it is closed is no outage', async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.stop());
    const faults: string[] = [];
    const connection = connect({ port: proxy.port, socketTimeout: 100 }, ({ message }) => void faults.push(message));
    await connection.redis.ping();
    proxy.silence();
    await connection.close(60_000);
    expect(faults).toEqual([]);
  });

  test('by default it is replaced before the command fails, and an idle connection never is', async () => {
    const connection = connect({ port: server.port }, () => undefined);
    onTestFinished(() => connection.close(0));
    const { socketTimeout = Number.POSITIVE_INFINITY, commandTimeout = 0, keepAlive } = connection.redis.options;
    expect(socketTimeout).toBeLessThan(commandTimeout);
    expect(commandTimeout).toBeLessThanOrEqual(10_000);
    expect(keepAlive).toBeLessThanOrEqual(5_000);
    await connection.redis.ping();
    const timers = vi.spyOn(globalThis, 'setTimeout');
    await connection.redis.ping();
    await vi.waitUntil(() => timers.mock.calls.length > 0);
    expect((connection.redis as unknown as { socketTimeoutTimer?: unknown }).socketTimeoutTimer).toBeUndefined();
  });

  test('health is red while a master is paused, and work continues when it resumes', async () => {
    const { reaper, faults, rescues } = running(server.port);
    await vi.waitUntil(() => rescues() > 0);
    process.kill(server.pid, 'SIGSTOP');
    onTestFinished(() => void process.kill(server.pid, 'SIGCONT'));
    await vi.waitUntil(() => !reaper.health().ok);
    expect(reaper.health().detail).toMatch(/Redis unavailable/);
    expect(faults).toHaveLength(1);
    process.kill(server.pid, 'SIGCONT');
    const before = rescues();
    await vi.waitUntil(() => rescues() > before && reaper.health().ok);
  });

  test('a connection that swallows everything is replaced, and callers see no end of the outage', async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.stop());
    const { faults, changes, rescues } = running(proxy.port);
    await vi.waitUntil(() => rescues() > 0);
    proxy.silence();
    const before = rescues();
    await vi.waitUntil(() => rescues() > before + 1);
    expect([faults.length, changes.length]).toEqual([1, 2]);
  });
});
