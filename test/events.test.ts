/** Listeners, iterations and signals of a reaper, and its errors. Nothing here needs Redis. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { BackgroundError, createReaper, OptionsError, type Reaper, ReaperError, StoppedError } from '../src/index.ts';
import { createEmitter } from '../src/reaper/events.ts';

const reapers: Reaper[] = [];
afterEach(() => Promise.all(reapers.splice(0).map((reaper) => reaper.stop({ timeout: 0 }))));
const create = (options: object = {}) => {
  const reaper = createReaper({ redis: 'redis://127.0.0.1:1', namespace: 't', logger: false, ...options });
  reapers.push(reaper);
  return reaper;
};
const change = (host: string) => ({ host, isThisHost: false });
const emitterWithErrors = () => {
  const errors: unknown[] = [];
  return { errors, ...createEmitter((name, error) => errors.push([name, error])) };
};

describe('listeners', () => {
  test('get each event until they are removed, or one event with `once`', () => {
    const { on, off, once, emit } = emitterWithErrors();
    const hosts: string[] = [];
    const listener = ({ host }: { host: string }) => hosts.push(`each ${host}`);
    on('leader', listener);
    once('leader', ({ host }) => hosts.push(`first ${host}`));
    emit('leader', change('a'));
    emit('leader', change('b'));
    off('leader', listener);
    emit('leader', change('c'));
    expect(hosts).toEqual(['each a', 'first a', 'each b']);
  });

  test('that throw or reject are reported, and all others get the event', async () => {
    const { on, emit, errors } = emitterWithErrors();
    const [thrown, rejected] = [new Error('thrown'), new Error('rejected')];
    const heard = vi.fn();
    on('leader', () => {
      throw thrown;
    });
    on('leader', () => Promise.reject(rejected));
    on('leader', heard);
    emit('leader', change('a'));
    expect(heard).toHaveBeenCalledOnce();
    await vi.waitUntil(() => errors.length === 2);
    expect(errors).toEqual([
      ['leader', thrown],
      ['leader', rejected],
    ]);
  });

  test('an error event without a listener does not throw', () => {
    const { emit, errors } = emitterWithErrors();
    emit('error', new BackgroundError('internal', 'somewhere', 'it failed'));
    expect(errors).toEqual([]);
  });

  test.each([
    ['lost', 'use orphan'],
    ['finished', 'use orphan'],
    ['quarantined', 'use quarantine'],
    ['lease', 'use leader'],
    ['jobs', 'use one of job, pool,'],
    ['constructor', 'use one of job, pool,'],
  ])('of %s, which is not an event, are refused', (name, advice) => {
    const reaper = create();
    for (const method of ['on', 'off', 'once', 'events'] as const) {
      expect(() => reaper[method](name as 'job', () => undefined)).toThrow(OptionsError);
      expect(() => reaper[method](name as 'job', undefined as never)).toThrow(advice);
    }
  });
});

describe('an iteration', () => {
  test('has every event from its start on, in order, and ends with the reaper', async () => {
    const { events, emit, end } = emitterWithErrors();
    emit('leader', change('before'));
    const each = events('leader');
    emit('leader', change('a'));
    emit('leader', change('b'));
    const hosts: string[] = [];
    for await (const { host } of each) {
      hosts.push(host);
      if (host === 'b') end();
    }
    expect(hosts).toEqual(['a', 'b']);
  });

  test('of errors yields them, and does not throw them', async () => {
    const { events, emit } = emitterWithErrors();
    const each = events('error');
    emit('error', new BackgroundError('internal', 'here', 'it failed'));
    expect((await each.next()).value).toMatchObject({ where: 'here', code: 'internal', message: 'it failed' });
  });

  test('ends when the reaper stops, and at once on a stopped one', async () => {
    const reaper = create();
    const before = reaper.events('sweep').next();
    await reaper.stop();
    expect((await before).done).toBe(true);
    expect((await reaper.events('sweep').next()).done).toBe(true);
  });

  test('rejects when its signal is aborted', async () => {
    const { signal, abort } = new (class extends AbortController {
      override abort = () => super.abort();
    })();
    const next = create().events('sweep', { signal }).next();
    abort();
    await expect(next).rejects.toThrow(/abort/i);
  });
});

describe('a signal', () => {
  test('stops the reaper', async () => {
    const controller = new AbortController();
    const reaper = create({ signal: controller.signal });
    controller.abort();
    await expect(reaper.ping()).rejects.toThrow(StoppedError);
  });

  test('that was aborted before stops it at once', async () => {
    await expect(create({ signal: AbortSignal.abort() }).ping()).rejects.toThrow(StoppedError);
  });

  test.each(['sweep', 'rescue'] as const)('that was aborted before keeps a %s from starting', async (pass) => {
    const reaper = create();
    const started = vi.fn();
    reaper.on(pass, started);
    const reason = new Error('changed my mind');
    const error = await reaper[pass]({ signal: AbortSignal.abort(reason) }).catch((caught) => caught);
    expect(error).toBeInstanceOf(ReaperError);
    expect([error.code, error.cause]).toEqual(['aborted', reason]);
    expect(started).not.toHaveBeenCalled();
  });

  test.each(['sweep', 'rescue'] as const)('ends the wait for a %s', async (pass) => {
    const controller = new AbortController();
    const ended = create()[pass]({ signal: controller.signal });
    controller.abort();
    await expect(ended).rejects.toMatchObject({ code: 'aborted' });
  });

  test.each([{ signal: 'soon' }, { signal: {} }])('must be an AbortSignal: %j', async (options) => {
    await expect(create().sweep(options as never)).rejects.toThrow('sweep: signal: must be an AbortSignal');
    expect(() => create(options)).toThrow('createReaper: signal: must be an AbortSignal');
  });
});

test('a reaper is disposed of by `await using`, which stops it', async () => {
  const reaper = create();
  await reaper[Symbol.asyncDispose]();
  await expect(reaper.status()).rejects.toThrow(StoppedError);
});

test('durations in method arguments may be texts', async () => {
  await expect(create().stop({ timeout: '1 day' })).resolves.toBeUndefined();
  await expect(create().stop({ timeout: 'soon' as never })).rejects.toThrow('stop: timeout: must be a duration');
  await expect(create().rescue({ grace: '15' as never })).rejects.toThrow('rescue: grace: must have a unit');
});

describe('errors', () => {
  test('have a code, and are of one class', async () => {
    const reaper = create();
    const [unreachable, invalid] = await Promise.all([
      reaper.ping().catch((error) => error),
      reaper.sweep({ plna: true } as never).catch((error) => error),
    ]);
    await reaper.stop();
    const stopped = await reaper.ping().catch((error) => error);
    for (const error of [unreachable, invalid, stopped]) expect(error).toBeInstanceOf(ReaperError);
    expect([unreachable.code, invalid.code, stopped.code]).toEqual(['redis-unreachable', 'invalid-options', 'stopped']);
    expect(invalid.issues).toEqual([{ path: 'plna', message: 'unknown option' }]);
  });

  test('as JSON have code and message, and never the cause', () => {
    const cause = new Error('hunter2');
    const error = new BackgroundError('step-failed', 'here', 'it failed', { cause });
    expect(JSON.parse(JSON.stringify(error))).toEqual({ code: 'step-failed', where: 'here', message: 'it failed' });
    expect(error.cause).toBe(cause);
  });
});
