/** The unit as systemd itself reads it. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../src/package.ts';

const unit = `${packageRoot}deploy/systemd/jobservice-reaper.service`;
const analyze = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, unit], { encoding: 'utf8' });
  return { status, stdout, stderr };
};

test('systemd-analyze verify finds nothing', () => {
  expect(analyze('verify')).toEqual({ status: 0, stdout: '', stderr: '' });
});

test('its exposure is at most 1.5 of 10', () => {
  const { status, stdout } = analyze('security', '--offline=true', '--threshold=15', '--no-pager');
  expect(status, stdout).toBe(0);
});
