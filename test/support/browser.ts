import { execFileSync } from 'node:child_process';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { waitLimit } from './waitLimit.ts';

/**
 * Features of Chromium that no test needs. Of two lists the last one counts, so this one begins with that of Playwright. For each
 * context, the others load the address bar's pop-ups as pages and start a process for a page that may come: half of the
 * processor time.
 */
const unneeded = [
  'AimEnabled',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsFirstBalancedModeAutoEnable',
  'HttpsUpgrades',
  'LensOverlay',
  'MediaRouter',
  'NetworkTimeServiceQuerying',
  'OptimizationHints',
  'PaintHolding',
  'PreconnectToSearch',
  'TcpPortRandomizationWin',
  'ThirdPartyStoragePartitioning',
  ...['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup', 'SpareRendererForSitePerProcess'],
];

/** Starts the system's Chromium, which `npm run setup` has installed. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    timeout: waitLimit,
    executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
    args: [
      // Tests may run as root in a container, where the sandbox lacks the rights that it needs.
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--disable-features=${unneeded.join(',')}`,
    ],
  });

/** Errors of the page, and its requests to servers other than its own. */
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

/**
 * Opens the page of an inspector in a new browser context, and waits until it is live.
 * @param prepare is called before the page loads.
 */
export const openInspector = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  prepare: (page: Page) => Promise<void> = async () => undefined,
): Promise<{ page: Page; complaints: Complaints }> => {
  const context = await browser.newContext({ viewport: { width: 1_400, height: 1_000 }, ...options });
  context.setDefaultTimeout(waitLimit);
  const page = await context.newPage();
  const complaints = listenTo(page, new URL(url).origin);
  await prepare(page);
  await page.goto(url);
  await page.getByText('live', { exact: true }).waitFor();
  return { page, complaints };
};

/** Searches for a job, and waits for its explanation. */
export const explainJob = async (page: Page, id: string): Promise<void> => {
  await page.getByRole('searchbox').fill(id);
  await page.getByRole('searchbox').press('Enter');
  await page.getByRole('heading', { name: 'Verdict now' }).waitFor();
};

/** The rows of the visible list. */
export const listedRows = (page: Page) => page.locator('[aria-label="Lists"] tbody tr');
