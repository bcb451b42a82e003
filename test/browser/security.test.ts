/** Hostile texts from Redis, other sites in the same browser, and wrong tokens. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { visible } from '../../src/visible.ts';
import { listedRows } from '../support/browser.ts';
import { useInspectorPage } from '../support/inspectorPage.ts';
import { seedJob } from '../support/jobs.ts';

const { redis, create, open, start, browser } = useInspectorPage();

describe('hostile text from Redis', () => {
  test.each(['<img src=x onerror=alert(1)>', '"><script>alert(1)</script>', "javascript:alert('1')", '‮evil{{7*7}}'])(
    'the id %s stays text',
    async (id) => {
      await seedJob(redis(), id, { age: 90_000, name: id, status: 'Running' });
      await redis().sadd('t:worker_pools', id);
      const { reaper, page, complaints } = await start();
      const dialogs: string[] = [];
      page.on('dialog', (dialog) => {
        dialogs.push(dialog.message());
        void dialog.dismiss();
      });
      await reaper.sweep({ plan: true });
      const shown = visible(id);
      await listedRows(page).filter({ hasText: shown }).first().waitFor();
      await listedRows(page).getByRole('link').click();
      await page.getByRole('heading', { name: `Job ${shown}` }).waitFor();
      await page.getByRole('heading', { name: 'Verdict now' }).waitFor();
      await reaper.rescue({ plan: true, grace: 0 });
      await page.goto(`${new URL(page.url()).origin}/#/`);
      await page.getByRole('tab', { name: /Pools/ }).click();
      await listedRows(page).filter({ hasText: shown }).first().waitFor();
      expect(await page.locator('img:not([src="icon.svg"]), main script').count()).toBe(0);
      expect(dialogs).toEqual([]);
      expect(complaints).toEqual({ errors: [], foreign: [] });
    },
  );
});

describe('another site in the same browser', () => {
  let site: Server;
  afterEach(() => {
    site.closeAllConnections();
    site.close();
  });

  test('can load neither the page nor the socket, although the browser has the cookie', async () => {
    const { url } = await start();
    const { page } = await open(url);
    site = createServer((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<p>evil'),
    ).listen(0, '127.0.0.1');
    await once(site, 'listening');
    // On the same host: cookies are shared by all ports.
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
    const { host, origin } = new URL(url);
    const outcome = await page.evaluate(
      ([host, origin]) =>
        Promise.all([
          new Promise((resolve) => {
            const socket = new WebSocket(`ws://${host}/socket`);
            socket.onopen = () => resolve('open');
            socket.onclose = () => resolve('refused');
          }),
          // Like a script or an image: without an Origin header, and without CORS.
          fetch(`${origin}/app.js`, { mode: 'no-cors', credentials: 'include' }).then(
            () => 'served',
            () => 'refused',
          ),
          new Promise((resolve) => {
            const frame = document.createElement('iframe');
            frame.src = `${origin}/`;
            frame.onload = () => resolve('loaded');
            document.body.append(frame);
          }),
        ]),
      [host, origin] as const,
    );
    expect(outcome).toEqual(['refused', 'refused', 'loaded']);
    // The frame shows the browser's own error page.
    expect(page.frames().at(-1)?.url()).toMatch(/^chrome-error:/);
  });

  test('a wrong token shows only the advice to use the printed URL', async () => {
    const { url } = await create();
    site = createServer();
    const page = await (await browser().newContext()).newPage();
    await page.goto(`${new URL(url).origin}/?token=wrong`);
    expect((await page.locator('body').innerText()).trim()).toBe(
      'Open the URL that the reaper printed at its start. It contains the access token.',
    );
  });
});
