/** The inspector's server in unusual situations: failed starts, bad requests, many requests at once, and changes between two deltas. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { cookieOf, get } from '../support/inspector.ts';
import { useInspector } from '../support/inspectorServer.ts';
import { intercept, isCallOf, seedJob } from '../support/jobs.ts';

const { redis, hold, create, start, page } = useInspector();

/** Sends raw bytes to a server. */
const send = (url: string, text: string) => {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  socket.write(text);
  return socket;
};
/** A clock whose timers of one length fire only when the test calls `tick`. */
const steppedClock = (length: number) => {
  const due: (() => void)[] = [];
  let offset = 0;
  const clock = {
    now: () => Date.now() + offset,
    setTimeout: (fn: () => void, ms: number) => (ms === length ? due.push(fn) : setTimeout(fn, ms)),
    clearTimeout: (id: unknown) => clearTimeout(id as NodeJS.Timeout),
  };
  const tick = () => {
    for (const fn of due.splice(0)) fn();
  };
  const setBack = (ms: number) => {
    offset -= ms;
  };
  return { clock, tick, setBack };
};
/** Holds the act `fail` until it is released. */
const holdFail = () => {
  let release = () => {};
  let reach = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const client = hold(
    intercept(redis(), 'evalsha', async (args) => {
      if (!isCallOf('fail_job', args)) return;
      reach();
      await held;
    }),
  );
  return { client, reached, release: () => release() };
};

test('an inspector that cannot be opened does not end the process, even if its URL is never requested', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const others = process.listeners('unhandledRejection');
  const unhandled: unknown[] = [];
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (error) => unhandled.push(error));
  try {
    const { port } = taken.address() as { port: number };
    const reaper = create({ inspect: { port, announce: () => undefined } });
    const fault = new Promise((resolve) => reaper.on('error', resolve));
    reaper.start();
    await fault;
    await setImmediate();
    expect(unhandled).toEqual([]);
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const other of others) process.on('unhandledRejection', other);
    taken.close();
  }
});

test('a refused client that keeps its connection open does not delay the stop of the reaper', async () => {
  const { reaper, url } = await start();
  const socket = send(
    url,
    'GET /socket HTTP/1.1\r\nHost: evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  );
  expect(String((await once(socket, 'data'))[0])).toContain('421');
  await reaper.stop({ timeout: 0 });
  socket.destroy();
});

test.each(['//', '//[', 'http://[/'])(
  'the invalid target %s gets status 400 and is not reported as an error',
  async (target) => {
    const { url, faults } = await start();
    const socket = send(url, `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 400/);
    socket.destroy();
    expect(faults).toEqual([]);
  },
);

test('if announce throws, the server is closed', async () => {
  let where = '';
  const announce = (url: string) => {
    where = url;
    throw new Error('cannot announce');
  };
  await expect(start({ announce })).rejects.toThrow('cannot announce');
  await expect(get(where)).rejects.toThrow('ECONNREFUSED');
});

test('the URL of a relay with a fragment is refused, because WebSockets allow none', async () => {
  await expect(start({ stately: 'ws://127.0.0.1:1/#here' })).rejects.toThrow('inspect.stately');
});

test('a page that connects between two deltas gets each row once, and every later change', async () => {
  await seedJob(redis(), 'hung', { age: 90_000 });
  const { client, reached, release } = holdFail();
  const { clock, tick } = steppedClock(100);
  const { reaper, url } = await start({}, { redis: client, clock });
  const cookie = await cookieOf(url);
  const first = await page(url, { cookie });
  await first.until(() => true);
  tick();
  await reaper.sweep({ plan: true });
  const late = await page(url, { cookie });
  tick();
  expect((await late.until(({ acts }) => acts.length > 0)).acts).toHaveLength(1);
  const sweep = reaper.sweep();
  await reached;
  const later = await page(url, { cookie });
  release();
  await sweep;
  tick();
  for (const each of [first, late, later]) {
    const { acts, lanes } = await each.until(({ acts }) => acts.length > 1);
    expect(acts.map(({ number }) => number)).toEqual([2, 1]);
    expect(lanes.working).toEqual([]);
  }
});

test('a page that begins to watch a job gets its recorded traces', async () => {
  await seedJob(redis(), 'hung', { age: 90_000 });
  const { reaper, url } = await start();
  const client = await page(url);
  await reaper.sweep({ plan: true });
  await client.ask({ type: 'watch', id: 'hung' });
  const watched = () => client.messages.find((message) => message.type === 'watched');
  expect(await vi.waitUntil(watched)).toMatchObject({ id: 'hung', traces: [{ outcome: { verdict: 'fail' } }] });
});

test('the error of an act is cut', async () => {
  await seedJob(redis(), 'hung', { age: 90_000 });
  const client = hold(
    intercept(redis(), 'evalsha', (args) => {
      if (isCallOf('fail_job', args)) throw new Error('x'.repeat(5_000));
    }),
  );
  const { reaper, url } = await start({}, { redis: client });
  const one = await page(url);
  await reaper.sweep();
  expect((await one.until(({ acts }) => acts.length === 1)).acts[0]?.error).toBe(`${'x'.repeat(256)}…`);
});

test('a cut text does not end in half a surrogate pair', async () => {
  await seedJob(redis(), `${'x'.repeat(255)}😀 and more`, { age: 90_000 });
  const { reaper, url } = await start();
  const one = await page(url);
  await reaper.sweep({ plan: true });
  expect((await one.until(({ acts }) => acts.length === 1)).acts[0]?.id).toBe(`${'x'.repeat(255)}…`);
});

test('a clock that is set back closes no connection', async () => {
  const { clock, setBack } = steppedClock(0);
  const { url } = await start({}, { clock });
  const client = await page(url);
  setBack(3_600_000);
  expect((await client.ask({ type: 'watch', id: 'a' })).error).toBeUndefined();
  expect(client.socket.readyState).toBe(client.socket.OPEN);
});

/** Holds every script until it is released, so that no job can be explained. */
const holdAll = () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { client: hold(intercept(redis(), 'evalsha', () => held)), release: () => release() };
};

test('a page can have four unanswered questions at most', async () => {
  const { client, release } = holdAll();
  const { url } = await start({}, { redis: client });
  const one = await page(url);
  const four = ['a', 'b', 'c', 'd'].map((id) => one.ask({ type: 'job', id }));
  expect((await one.ask({ type: 'job', id: 'e' })).error).toContain('wait for the answers');
  release();
  for (const { job } of await Promise.all(four)) expect(job?.explanation.isTracked).toBe(false);
});

test('two jobs are explained at once, and thirty-two more wait, for all pages together', async () => {
  const { client, release } = holdAll();
  const { url } = await start({}, { redis: client });
  const cookie = await cookieOf(url);
  const nine = await Promise.all(Array.from({ length: 9 }, () => page(url, { cookie })));
  const asked = nine.flatMap((one) => ['a', 'b', 'c', 'd'].map((id) => one.ask({ type: 'job', id })));
  await vi.waitUntil(() => nine.some(({ messages }) => messages.some(({ type }) => type === 'answer')));
  release();
  const errors = (await Promise.all(asked)).flatMap(({ error }) => error ?? []);
  expect(errors).toEqual(Array(2).fill(expect.stringContaining('too many jobs')));
});

test('a requested sweep is refused while another requested sweep runs', async () => {
  await seedJob(redis(), 'hung', { age: 90_000 });
  const { client, reached, release } = holdFail();
  const { url } = await start({ control: true }, { redis: client });
  const [one, other] = [await page(url), await page(url)];
  const first = one.ask({ type: 'sweep', plan: false });
  await reached;
  expect((await other.ask({ type: 'sweep', plan: true })).error).toContain('still running');
  release();
  expect((await first).sweep).toMatchObject({ outcomes: { done: 1 } });
});

test('a page that does not answer pings is closed', async () => {
  const { clock, tick } = steppedClock(15_000);
  const { url } = await start({}, { clock });
  const client = await page(url);
  client.socket.pause();
  const closed = once(client.socket, 'close');
  tick();
  tick();
  client.socket.resume();
  expect((await closed)[0]).toBe(1006);
});

test('fifty failing endpoints are listed at most', async () => {
  for (let i = 0; i < 60; i++) await seedJob(redis(), `${i}`, { web_hook_url: `http://127.0.0.1:${1 + i}/` });
  const { reaper, url } = await start();
  const client = await page(url);
  await reaper.sweep();
  await client.until(({ hooks: { failed, pending } }) => failed >= 60 && pending === 60);
  expect(client.state().hooks.endpoints).toHaveLength(50);
});
