/** The inspector mounted in a server of the caller's, below a path. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createReaper, OptionsError, type Reaper } from '../../src/index.ts';
import { createInspector, type Inspector } from '../../src/inspector.ts';
import { get, openPage } from '../support/inspector.ts';

let server: Server;
let reaper: Reaper;
let inspector: Inspector;
afterEach(async () => {
  inspector.close();
  server.close();
  await reaper.stop({ timeout: 0 });
});

/** Serves the inspector below a path; everything else is the caller's own. */
const serve = async (path: string) => {
  reaper = createReaper({ redis: 'redis://127.0.0.1:1', namespace: 't', logger: false });
  inspector = await createInspector(reaper, { path, token: 'a token of this test' });
  server = createServer((request, response) => {
    if (request.url?.startsWith(path)) inspector.handle(request, response);
    else response.end('own page');
  }).listen(0, '127.0.0.1');
  server.on('upgrade', inspector.upgrade);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

test.each(['/ops/inspector', '/ops/inspector/', ''])(
  'the page is served below %j, to those who have the token',
  async (given) => {
    const origin = await serve(given);
    const path = given.replace(/\/$/, '');
    expect((await get(`${origin}${path}/`)).status).toBe(401);
    const welcome = await get(`${origin}${path}/?token=${encodeURIComponent(inspector.token)}`);
    expect([welcome.status, welcome.headers.location]).toEqual([303, './']);
    const cookie = (welcome.headers['set-cookie']?.[0] ?? '').split(';')[0] as string;
    for (const asset of ['/', '/app.js', '/style.css']) {
      expect((await get(`${origin}${path}${asset}`, { cookie })).status).toBe(200);
    }
    expect((await get(`${origin}${path}/nothing`, { cookie })).status).toBe(404);
    if (path !== '') expect((await get(`${origin}/`)).body).toBe('own page');
  },
);

test('a page below a path gets the state over its WebSocket', async () => {
  const origin = await serve('/inspector');
  const page = await openPage(`${origin}/inspector/?token=${encodeURIComponent(inspector.token)}`);
  expect((await page.until(() => true)).about).toMatchObject({ namespace: 't', mayControl: false });
  page.close();
});

test('options that cannot be used, and what is not a reaper, are refused', async () => {
  await serve('');
  await expect(createInspector(reaper, { token: 'short' })).rejects.toThrow(OptionsError);
  await expect(createInspector(reaper, { port: 1 } as never)).rejects.toThrow('createInspector: port: unknown option');
  await expect(createInspector({ ...reaper })).rejects.toMatchObject({
    code: 'invalid-options',
    message: 'createInspector: the first argument must be a reaper',
  });
});
