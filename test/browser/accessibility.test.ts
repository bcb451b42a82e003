/** Accessibility of the page: axe, small windows, keyboard, colours and motion. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { explainJob } from '../support/browser.ts';
import { seedVerdicts, useInspectorPage } from '../support/inspectorPage.ts';

const { redis, start } = useInspectorPage();

describe('accessibility', () => {
  const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  const violationsOf = async (page: Page) => {
    // Evaluated, because the page's policy forbids an added script element.
    await page.evaluate(await readFile(axe, 'utf8'));
    return page.evaluate(async () => {
      // biome-ignore lint/suspicious/noExplicitAny: axe adds itself to the global object
      const { violations } = await (globalThis as any).axe.run(document);
      return violations.map(({ id, nodes }: { id: string; nodes: { html: string }[] }) => `${id}: ${nodes[0]?.html}`);
    });
  };

  test.each(['light', 'dark'] as const)('axe finds no violations in %s colours', async (colorScheme) => {
    await seedVerdicts(redis());
    const { reaper, page } = await start({ control: true }, { colorScheme, reducedMotion: 'reduce' });
    await reaper.sweep({ plan: true });
    await page.getByText('4 of 4').waitFor();
    await page.locator('[data-chart="job"] svg').first().waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await page.getByRole('button', { name: 'Sweep now…' }).click();
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await explainJob(page, 'hung');
    await page.locator('.trace svg').first().waitFor();
    expect(await violationsOf(page)).toEqual([]);
  });

  test.each([360, 768, 2_560])('a window %d px wide has no horizontal scrolling', async (width) => {
    await seedVerdicts(redis());
    const { reaper, page } = await start({ control: true }, { viewport: { width, height: 800 } });
    await reaper.sweep();
    await page.getByText('4 of 4').waitFor();
    const overflow = () =>
      page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(await overflow()).toBe(0);
    await explainJob(page, 'hung');
    expect(await overflow()).toBe(0);
  });

  test('arrow keys change tabs, and the chosen colours stay after a reload', async () => {
    const { page } = await start();
    await page.getByRole('tab', { name: 'job', exact: true }).focus();
    await page.keyboard.press('ArrowRight');
    expect(await page.getByRole('tab', { name: 'supervisor' }).getAttribute('aria-selected')).toBe('true');
    await page.locator('[data-chart="supervisor"] svg').waitFor();
    await page.getByLabel('Colours').selectOption('dark');
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await background();
    await page.reload();
    await page.getByText('live', { exact: true }).waitFor();
    expect(await background()).toBe(dark);
    await page.getByLabel('Colours').selectOption('light');
    expect(await background()).not.toBe(dark);
  });

  test.each([
    ['reduce', 'none'],
    ['no-preference', 'flow'],
  ] as const)('with reduced motion %s, a step has the animation %s', async (reducedMotion, animation) => {
    await seedVerdicts(redis());
    const { reaper, page } = await start({}, { reducedMotion });
    await reaper.sweep();
    await explainJob(page, 'hung');
    const line = page.locator('.trace .line.last').first();
    await line.waitFor({ state: 'attached' });
    expect(await line.evaluate((element) => getComputedStyle(element).animationName)).toBe(animation);
  });
});
