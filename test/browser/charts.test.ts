/** The charts on the page, with the counts of a sweep. */

import type { Locator } from 'playwright-core';
import { describe, expect, test, vi } from 'vitest';
import { charts } from '../../src/charts.ts';
import { nodesOf, transitionsOf } from '../../visualize/charts/graph.ts';
import { partsOf } from '../../visualize/charts/parts.ts';
import { seedVerdicts, useInspectorPage } from '../support/inspectorPage.ts';

const { redis, start } = useInspectorPage();

describe('the charts', () => {
  test('show every state and every transition of each machine, without overlapping texts', async () => {
    const { page, complaints } = await start();
    for (const [name, machine] of Object.entries(charts)) {
      await page.getByRole('tab', { name, exact: true }).click();
      const { states, edges } = { states: new Set<string>(), edges: new Set<number>() };
      for (const [i] of partsOf(machine).entries()) {
        const svg = page.locator(`[data-chart="${name}"] svg`).nth(i);
        await svg.waitFor();
        const { shown, lists } = await svg.evaluate((root) => ({
          shown: [...root.querySelectorAll('[data-state]')].map((state) => state.getAttribute('data-state') ?? ''),
          lists: [...root.querySelectorAll('[data-edge]')].map((edge) => edge.getAttribute('data-edge') ?? ''),
        }));
        for (const id of shown) states.add(id);
        for (const index of lists.flatMap((list) => list.split(' '))) edges.add(Number(index));
        await expectReadable(svg);
      }
      expect(states.size).toBe(nodesOf(machine).length);
      expect(edges.size).toBe(transitionsOf(machine).length);
    }
    expect(complaints).toEqual({ errors: [], foreign: [] });
  });

  test('show how often each state was entered, where actors are now, and the latest transition', async () => {
    await seedVerdicts(redis());
    const { reaper, page } = await start();
    await reaper.sweep();
    const state = (id: string) => page.locator(`[data-chart="job"] [data-state="${id}"]`);
    await vi.waitUntil(async () => (await state('job.compare').locator('.count').textContent()) === '9');
    expect(await state('job.keep').locator('.count').textContent()).toBe('5');
    expect(await state('job.acting.refire').locator('.count').textContent()).toBe('');
    const heat = (id: string) => state(id).evaluate((element) => Number(element.style.getPropertyValue('--heat')));
    expect(await heat('job.compare')).toBe(1);
    expect(await heat('job.acting.fail')).toBeGreaterThan(0);
    expect(await heat('job.acting.fail')).toBeLessThan(await heat('job.keep'));
    expect(await heat('job.acting.refire')).toBe(0);
    expect(await page.locator('[data-chart="job"] .edge.last').count()).toBe(1);
    await page.getByRole('tab', { name: 'lane', exact: true }).click();
    await page.locator('[data-chart="lane"] [data-state="lane.idle"].active').waitFor();
  });

  test('can be shown as a table', async () => {
    await seedVerdicts(redis());
    const { reaper, page } = await start();
    await reaper.sweep();
    await page.getByText('Show as a table').click();
    const row = page.locator('.as-table tr', { hasText: '[isVerdict keep]' });
    await vi.waitUntil(async () => (await row.innerText()).split(/\s+/).includes('5'));
  });
});

/** Measured in the browser, not taken from the layout. */
const expectReadable = async (svg: Locator): Promise<void> => {
  // At full size: 12 px of the chart are 12 px of the screen.
  const { scale, width, height, smallest } = await svg.evaluate((root: SVGSVGElement) => ({
    scale: root.getBoundingClientRect().width / root.viewBox.baseVal.width,
    width: root.getBoundingClientRect().width,
    height: root.getBoundingClientRect().height,
    smallest: Math.min(
      ...[...root.querySelectorAll('text')].map((text) => parseFloat(getComputedStyle(text).fontSize)),
    ),
  }));
  expect(scale).toBe(1);
  expect(width).toBeLessThanOrEqual(1_000);
  expect(height).toBeLessThanOrEqual(1_000);
  expect(smallest).toBeGreaterThanOrEqual(12);
  const overlapping = await svg.evaluate((root) => {
    const texts = [...root.querySelectorAll('text')].filter((text) => text.textContent !== '');
    const boxes = texts.map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
    return boxes.flatMap((a, i) =>
      boxes
        .slice(i + 1)
        .filter(
          (b) =>
            Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left) > 0.5 &&
            // The boxes of two lines of the same label touch.
            Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top) > a.box.height / 3,
        )
        .map((b) => `${a.text} / ${b.text}`),
    );
  });
  expect(overlapping).toEqual([]);
};
