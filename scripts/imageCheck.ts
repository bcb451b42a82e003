// `npm run image:check [-- --debian FOLDER]`: takes the steps of the Dockerfile in a debootstrap root, where no container
// engine is needed. Then it uses the result as a cluster does: as its user, without capabilities, with a read-only root.
// It needs root and debootstrap. It runs in a mount namespace of its own, so no mount is left behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { packageRoot, version } from '../src/package.ts';
import { execForm, healthCommand, parseDockerfile } from './image/dockerfile.ts';
import { build, isInstalled, makeBase, mountFile, protect, type Root, release, run, start } from './image/root.ts';

const fail = (text: string): never => {
  process.stderr.write(`image: ${text}\n`);
  process.exit(1);
};
const passed = (text: string) => process.stdout.write(`✓ ${text}\n`);

/** Waits for the end of a process, and returns its exit code and output. */
const ended = async (child: ChildProcess) => {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : fail('no port is free');
};

const buildImage = (debian: string | undefined): Root => {
  let last: Root | undefined;
  const work = mkdtempSync(join(tmpdir(), 'reaper-image-'));
  process.once('exit', () => {
    if (last !== undefined) release(last);
    run('rm', '-rf', '--one-file-system', work);
  });
  const base = join(work, 'base');
  const roots = new Map<string, Root>();
  const stages = parseDockerfile(readFileSync(`${packageRoot}Dockerfile`, 'utf8'));
  for (const [index, stage] of stages.entries()) {
    if (index === 0) makeBase(stage.image, base, debian);
    else if (stage.image !== stages[0]?.image) fail(`stage ${index} has another base`);
    const folder = join(work, `stage-${index}`);
    run('cp', '-a', base, folder);
    process.stderr.write(`image: FROM ${stage.image}\n`);
    last = build(stage, folder, packageRoot, roots);
    if (stage.name !== undefined) roots.set(stage.name, last);
  }
  return last ?? fail('the Dockerfile has no stage');
};

const check = async (root: Root, redis: string): Promise<void> => {
  const instructions = parseDockerfile(readFileSync(`${packageRoot}Dockerfile`, 'utf8')).at(-1)?.instructions ?? [];
  const textOf = (name: string) => instructions.findLast((one) => one.name === name)?.text ?? fail(`no ${name}`);
  const entrypoint = execForm(textOf('ENTRYPOINT'));
  const environment = {
    REAPER_REDIS_FILE: '/run/secrets/redis-url',
    REAPER_NAMESPACE: '{harbor_job_service_namespace}',
  };
  mountFile(root, environment.REAPER_REDIS_FILE, `${redis}\n`);
  protect(root);

  const user = await ended(start(root, ['sh', '-c', 'id -u; touch /opt/x /tmp/x 2>/dev/null && echo writable']));
  if (user.output !== `${root.user.split(':')[0]}\n`)
    fail(`not a user without rights on a read-only root: ${user.output}`);
  passed(`user ${root.user}, read-only root, no capabilities`);

  const shown = await ended(start(root, [...entrypoint, '--version']));
  if (shown.output !== `${version}\n`) fail(`--version: ${shown.output}`);
  passed(`reaper --version: ${version}`);

  const doctor = await ended(start(root, [...entrypoint, 'doctor', '--json'], environment));
  // 3: the namespace is empty.
  if (doctor.code !== 0 && doctor.code !== 3) fail(`doctor ended with ${doctor.code}: ${doctor.output}`);
  const { checks } = JSON.parse(doctor.output) as { checks: { what: string; ok: boolean }[] };
  passed(`reaper doctor: ${checks.filter(({ ok }) => ok).length} of ${checks.length} checks of ${redis} are fine`);

  const service = start(root, [...entrypoint, ...execForm(textOf('CMD'))], environment);
  const end = ended(service);
  const health = healthCommand(textOf('HEALTHCHECK'));
  while ((await ended(start(root, health))).code !== 0) {
    if (service.exitCode !== null) fail(`the service has ended: ${(await end).output}`);
    await wait(500);
  }
  passed(`healthy: ${health.slice(0, 2).join(' ')} …`);
  service.kill('SIGTERM');
  const { code, output } = await end;
  if (code !== 0) fail(`the service ended with ${code} at SIGTERM: ${output}`);
  passed('SIGTERM: ended with 0');
};

if (process.getuid?.() !== 0) fail('needs root: sudo env "PATH=$PATH" npm run image:check');
for (const program of ['debootstrap', 'redis-server', 'setpriv'])
  if (!isInstalled(program)) fail(`${program} is missing: apt-get install debootstrap redis-server util-linux`);
const { values } = parseArgs({ options: { debian: { type: 'string' } } });
const port = await freePort();
const server = spawn('redis-server', ['--port', String(port), '--save', '', '--bind', '127.0.0.1'], {
  stdio: 'ignore',
});
server.unref();
process.once('exit', () => server.kill('SIGKILL'));
await check(buildImage(values.debian), `redis://127.0.0.1:${port}/1`);
