import { execFileSync } from 'node:child_process';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { patience } from './patience.ts';

/** The system's Chromium: `npm test` has seen to it that there is one. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    timeout: patience,
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

const listenTo = (page: Page, origin: string): Complaints => {
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

/** Opens an inspector by its URL in a context of its own, once it is live. */
export const openInspector = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: Complaints }> => {
  const context = await browser.newContext({ viewport: { width: 1_400, height: 1_000 }, ...options });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const complaints = listenTo(page, new URL(url).origin);
  await page.goto(url);
  await page.getByText('live', { exact: true }).waitFor();
  return { page, complaints };
};

/** Searches a job, and waits until it is explained. */
export const explainJob = async (page: Page, id: string): Promise<void> => {
  await page.getByRole('searchbox').fill(id);
  await page.getByRole('searchbox').press('Enter');
  await page.getByRole('heading', { name: 'Verdict now' }).waitFor();
};

/** The rows of the list that is shown. */
export const listedRows = (page: Page) => page.locator('[aria-label="Lists"] tbody tr');
