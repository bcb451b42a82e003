/** A flag takes effect, and the exit code reports a signal. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { rescue } from '../../src/cli/rescue.ts';
import { callCli, launchCli, watchCli } from '../support/cli.ts';
import { createTestClock } from '../support/clock.ts';
import { redisFixture } from '../support/fixture.ts';
import { second } from '../support/jobs.ts';
import { entryOf, idsIn, seedPool } from '../support/pools.ts';

const { server, redis, opened } = await redisFixture();

test('with --grace 0 a rescue does not wait', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-600), holds: new Map([['X', ['a']]]) });
  // The clock stands still, so no grace would ever end.
  const reaper = opened.create({ redis: server.url, clock: createTestClock() });
  const printed: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  try {
    expect(await rescue(reaper, { grace: 0 })).toBe(0);
  } finally {
    write.mockRestore();
  }
  expect(printed.join('')).toContain('entries of dead pools requeued: 1\n');
  expect(await idsIn(redis, 't:jobs:X')).toEqual(['a']);
});

test('with --type only entries of that type are listed, released and dropped', async () => {
  for (const [id, type] of [
    ['a', 'X'],
    ['b', 'Y'],
  ] as const) {
    const member = JSON.stringify({ name: type, id, fails: 1 });
    const recoveries = [[second(-60), 'p', '']];
    const record = { at: second(-50), recoveries, entries: [[type, entryOf(id, type), member]] };
    await redis.hset('t:reaper:quarantine', id, JSON.stringify(record));
    await redis.zadd('t:dead', 1, member);
  }
  const cli = (...args: string[]) => callCli(['quarantine', ...args, '--redis', server.url, '--namespace', 't']);
  const listed = (await cli('list', '--json', '--type', 'X')).stdout.trim().split('\n');
  expect(listed.map((line) => JSON.parse(line).id)).toEqual(['a']);
  expect((await cli('release', '--type', 'X')).stdout).toBe('requeued: 1\n');
  expect(await idsIn(redis, 't:jobs:X')).toEqual(['a']);
  expect(await redis.hkeys('t:reaper:quarantine')).toEqual(['b']);
  expect((await cli('drop', '--type', 'X')).stdout).toBe('dropped: 0\n');
  expect(await redis.zcard('t:dead')).toBe(1);
});

test('a command that is interrupted before Redis has answered exits with the code of the signal', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const child = launchCli(['status', '--redis', `redis://127.0.0.1:${port}`, '--namespace', 't']);
  try {
    const { ended, output } = watchCli(child);
    await once(silent, 'connection');
    child.kill('SIGTERM');
    expect((await ended).code).toBe(143);
    expect(output.stderr).toContain('SIGTERM: ');
  } finally {
    child.kill('SIGKILL');
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
});
