/** Hooks that were given up until their jobs change or a user asks for them. */
import { describe, expect, test, vi } from 'vitest';
import { createTestClock } from '../support/clock.ts';
import { seedWithHook } from '../support/jobs.ts';
import { deliveryFixture, hour } from './deliveryFixture.ts';

const { redis, hookEndpoint, outcomes, create, seed, ackOf, recordOf, changeStats } = await deliveryFixture();

describe('parked', () => {
  const park = async () => {
    const at = await seed('a', '/400/x', { status: 'Success' });
    const reaper = create();
    await reaper.sweep();
    expect(outcomes).toMatchObject([{ outcome: 'parked' }]);
    hookEndpoint.hooks.length = 0;
    return { reaper, at };
  };

  test('no sweep enqueues it again', async () => {
    const { reaper } = await park();
    expect(await reaper.sweep()).toMatchObject({ verdicts: { refire: 1 }, outcomes: { parked: 1 } });
    expect(hookEndpoint.hooks).toEqual([]);
  });

  test.each([
    ['status', (at: number) => ({ status: 'Error', update_time: at })],
    ['revision', (at: number) => ({ revision: at + 1, update_time: at })],
  ])('a new %s has it fired again', async (_, change) => {
    const { reaper, at } = await park();
    await changeStats('a', { ...change(at), web_hook_url: `${hookEndpoint.url}/200/x` });
    expect(await reaper.sweep()).toMatchObject({ hooks: { delivered: 1 } });
    expect(await recordOf('a')).toBeNull();
    expect(await redis.exists('t:reaper:hooks:parked')).toBe(0);
  });

  test('a key of parked hooks that holds another type stops no delivery, and is reported once', async () => {
    await seedWithHook(redis, 'a', 'pending', { dueIn: -1_000, to: hookEndpoint.url });
    await changeStats('a', { web_hook_url: `${hookEndpoint.url}/200/x` });
    await redis.set('t:reaper:hooks:parked', 'x');
    const reaper = create();
    const errors: string[] = [];
    reaper.on('error', ({ message }) => void errors.push(message));
    for (let i = 0; i < 2; i++) await reaper.hooks.quiet();
    expect(outcomes).toMatchObject([{ id: 'a', outcome: 'delivered' }]);
    expect(errors).toEqual([expect.stringContaining('t:reaper:hooks:parked holds a string')]);
    await redis.del('t:reaper:hooks:parked');
    await reaper.hooks.quiet();
    await redis.set('t:reaper:hooks:parked', 'x');
    await reaper.hooks.quiet();
    expect(errors).toHaveLength(2);
  });

  test('its job no longer counts as in progress, and status says so', async () => {
    const { reaper } = await park();
    await seed('b');
    const { tracked, hooks } = await reaper.status();
    expect(tracked).toMatchObject({ total: 1, parkedFinal: 1, byStatus: { Running: 1 }, byVerdict: { refire: 1 } });
    expect(hooks).toMatchObject({ pending: 0, parked: 1 });
  });

  test('a user can retry it or drop it', async () => {
    const { reaper } = await park();
    expect(await reaper.hooks.retry({ reason: '404' })).toBe(0);
    expect(await reaper.hooks.retry({ reason: '400' }, { plan: true })).toBe(1);
    expect(hookEndpoint.hooks).toEqual([]);
    hookEndpoint.answer = (_, response) => response.writeHead(200).end();
    expect(await reaper.hooks.retry({ endpoint: hookEndpoint.url })).toBe(1);
    await vi.waitUntil(async () => (await recordOf('a')) === null);
    expect(await ackOf('a')).toMatchObject({ status: 'Success' });

    await seed('b', '/500/x');
    hookEndpoint.answer = undefined;
    await reaper.sweep();
    expect(await reaper.hooks.drop({ id: 'b' })).toBe(1);
    expect(await reaper.hooks.drop({ id: 'b' })).toBe(0);
    hookEndpoint.hooks.length = 0;
    expect((await reaper.sweep()).outcomes).toMatchObject({ parked: 1 });
    expect(hookEndpoint.hooks).toEqual([]);
    const explanation = await reaper.explain('b');
    expect(explanation.hook).toMatchObject({ state: 'parked', answer: 'dropped', endpoint: hookEndpoint.url });
  });

  test('after a month it is forgotten', async () => {
    const clock = createTestClock();
    await seed('a', '/400/x');
    const reaper = create({ clock });
    await reaper.sweep();
    clock.advance(29 * 24 * hour);
    await reaper.sweep();
    expect(await recordOf('a')).not.toBeNull();
    clock.advance(2 * 24 * hour);
    await redis.del('t:job_stats:a');
    await reaper.sweep();
    expect(await recordOf('a')).toBeNull();
    expect(await redis.exists('t:reaper:hooks:parked')).toBe(0);
  });
});
