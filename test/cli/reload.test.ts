/** SIGHUP to `reaper run`: what is loaded again, what needs a restart, and what is refused. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { launchCli, watchCli } from '../support/cli.ts';
import { redisFixture } from '../support/fixture.ts';

const { server } = await redisFixture();
const folder = await mkdtemp(join(tmpdir(), 'reaper-reload-'));
afterAll(() => rm(folder, { recursive: true }));

test('intervals, limits and the log level are loaded again; a file that cannot be used changes nothing', async () => {
  const file = join(folder, 'reaper.yaml');
  const base = 'namespace: t\nrole: always\nsweep: { initialDelay: 1h }\n';
  const rescue = (interval: string) => `rescue: { initialDelay: ${interval}, interval: ${interval} }\n`;
  await writeFile(file, `${base}${rescue('1h')}`);
  const child = launchCli(['run', '--redis', server.url, '--config', file, '--hooks-concurrency', '8']);
  const { output, ended } = watchCli(child);
  const lines = (code: string): Record<string, unknown>[] =>
    output.stderr
      .split('\n')
      .slice(0, -1)
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
      .filter((line) => line.code === code);
  const count = (code: string) => expect.poll(() => lines(code).length);
  const hangUp = async (text: string) => {
    await writeFile(file, text);
    child.kill('SIGHUP');
  };
  try {
    await expect.poll(() => output.stderr).toContain('reaper: started');

    await hangUp(`${base}${rescue('20s')}hooks: { drainRate: fast }\n`);
    await count('invalid-options').toBe(1);
    const [refused] = lines('invalid-options');
    expect(refused?.msg).toContain(`the configuration was not loaded again: ${file}:5:10: hooks.drainRate: `);

    await hangUp(`${base}${rescue('1h')}\tbroken: [\n`);
    await count('invalid-options').toBe(2);
    expect(lines('invalid-options')[1]?.msg).toContain(`${file}:5:`);

    // The flag wins over the file, again. Passes begin at once, and are in the log at `debug`.
    await hangUp(`${base}${rescue('20ms')}logLevel: debug\nhooks: { drainRate: 7, concurrency: 9 }\nhungAfter: 2h\n`);
    await count('config-needs-restart').toBe(1);
    expect(lines('config-reloaded')).toMatchObject([
      { changed: ['rescue.initialDelay', 'rescue.interval', 'hooks.drainRate', 'logLevel'] },
    ]);
    expect(lines('config-needs-restart')).toMatchObject([
      { options: ['hungAfter'], msg: 'needs a restart: hungAfter' },
    ]);
    await expect.poll(() => lines('rescue').length).toBeGreaterThanOrEqual(2);
  } finally {
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  }
});
