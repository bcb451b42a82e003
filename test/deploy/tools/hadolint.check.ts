/** The Dockerfile as hadolint reads it. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../src/package.ts';

test('hadolint finds nothing in the Dockerfile', () => {
  const { status, stdout } = spawnSync('hadolint', [`${packageRoot}Dockerfile`], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, '']);
});
