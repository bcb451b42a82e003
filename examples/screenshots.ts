/** Takes the screenshots of the inspector in the README, from the demo with steady traffic: `npm run screenshots`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startBrowser } from '../test/support/browser.ts';

const docs = fileURLToPath(new URL('../docs/', import.meta.url));
const demo = spawn(
  process.execPath,
  ['--import', 'tsx', fileURLToPath(new URL('./demo.ts', import.meta.url)), '--watch'],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const url = await new Promise<string>((resolve) => {
  let text = '';
  demo.stdout.on('data', (chunk) => {
    text += chunk;
    const found = /Watch it at {2}(\S+)/.exec(text)?.[1];
    if (found !== undefined) resolve(found);
  });
});
const browser = await startBrowser();
try {
  for (const colorScheme of ['light', 'dark'] as const) {
    const context = await browser.newContext({ viewport: { width: 1_400, height: 1_180 }, colorScheme });
    const page = await context.newPage();
    await page.goto(url);
    await page.locator('[data-chart="job"] svg').first().waitFor();
    // Until there is something to see: a pool was rescued, and one of each verdict is among the acts.
    await page.getByRole('tab', { name: /Pools [1-9]/ }).waitFor({ timeout: 60_000 });
    for (const verdict of ['fail', 'refire', 'reset', 'untrack']) {
      await page.locator(`tbody .verdict.${verdict}`).first().waitFor({ timeout: 60_000 });
    }
    await page.screenshot({ path: `${docs}inspector-${colorScheme}.png` });
    if (colorScheme === 'light') {
      await page.locator('tbody tr', { hasText: 'hung' }).getByRole('link').first().click();
      await page.locator('.trace svg').first().waitFor();
      await page.screenshot({ path: `${docs}inspector-job.png`, fullPage: true });
    }
    await context.close();
  }
} finally {
  await browser.close();
  demo.kill('SIGINT');
  await once(demo, 'exit');
}
