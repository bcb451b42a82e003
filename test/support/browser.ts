import { execFileSync } from 'node:child_process';
import { type Browser, chromium, type Page } from 'playwright-core';

/** The system's Chromium: `npm test` has seen to it that there is one. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
    args: [
      // The sandbox needs rights that a container, where tests run as root, does not give.
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

/** What the page complained of, and where it asked for something else than its own server. */
export interface Complaints {
  readonly errors: string[];
  readonly foreign: string[];
}

export const listenTo = (page: Page, origin: string): Complaints => {
  const complaints: Complaints = { errors: [], foreign: [] };
  page.on('pageerror', (error) => complaints.errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.errors.push(message.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) complaints.foreign.push(request.url());
  });
  return complaints;
};
