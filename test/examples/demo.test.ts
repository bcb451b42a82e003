/** The demo as a process. Its exit code says whether all its checks passed. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type DemoRun, descendantsOf, leftFoldersOf, startDemo } from './demoRun.ts';

let demo: DemoRun;
beforeEach(async () => {
  demo = await startDemo();
});
afterEach(() => demo.stop());

it('exits with 0, passes every check, says how to watch it, and leaves no process and no folder', async () => {
  expect(await demo.ended, demo.output()).toBe(0);
  expect(demo.output()).toMatch(/host-(one|two): rescued/);
  expect(demo.output().match(/^✓/gm)).toHaveLength(11);
  expect(demo.output()).not.toContain('✗');
  expect(demo.output()).toMatch(/npm run demo -- --watch\n$/);
  expect(await descendantsOf(demo)).toEqual([]);
  expect(await leftFoldersOf(demo)).toEqual([]);
});

it('leaves no process and no folder when it is interrupted', async () => {
  await vi.waitUntil(() => demo.output().includes('is killed: SIGKILL'));
  expect((await descendantsOf(demo)).length).toBeGreaterThan(2);
  demo.child.kill('SIGINT');
  expect(await demo.ended, demo.output()).toBe(1);
  expect(await descendantsOf(demo)).toEqual([]);
  expect(await leftFoldersOf(demo)).toEqual([]);
});
