/** The demo with `--watch`: the inspector that it opens shows jobs and rescues. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openPage } from '../support/inspector.ts';
import { type DemoRun, descendantsOf, startDemo } from './demoRun.ts';

let demo: DemoRun;
beforeEach(async () => {
  demo = await startDemo('--watch');
});
afterEach(() => demo.stop());

it('shows sweeps that act and a rescued host until Ctrl-C, and leaves no process', async () => {
  const url = await vi.waitUntil(() => /Watch it at {2}(\S+)/.exec(demo.output())?.[1]);
  const page = await openPage(url);
  await page.until(() => true);
  await vi.waitUntil(() => {
    const { sweep, rescue, acts, about } = page.state();
    return about.mayControl && sweep.scanned > 3_000 && acts.length > 0 && rescue.rescued > 0;
  });
  demo.child.kill('SIGINT');
  expect(await demo.ended, demo.output()).toBe(0);
  expect(await descendantsOf(demo)).toEqual([]);
});
