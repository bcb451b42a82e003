// `npm run runtimes [-- NAME…]`: installs the package as users do, and runs it in each runtime that the npm registry has:
// a sweep that sends a hook, a rescue that requeues the entry of a dead pool, the probes, the inspector, the checks of hook
// addresses, and `reaper status`, with a real Redis. The runtimes are downloaded into `.tmp/runtimes`, about 100 MB each.
// They stay there until that folder is removed.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { build } from 'esbuild';
import { needsAttention } from '../src/cli/exitCodes.ts';
import { packageRoot } from '../src/package.ts';
import { startHookEndpoint } from '../test/support/hookEndpoint.ts';
import { seedJob } from '../test/support/jobs.ts';
import { idsIn, seedPool } from '../test/support/pools.ts';
import { startRedis } from '../test/support/redisServer.ts';

/** A runtime as an npm package ships it. */
interface Runtime {
  readonly name: string;
  /** The package, with its version. */
  readonly spec: string;
  /** The program in the folder of the package, and the arguments before a script. */
  readonly program: string;
  readonly args: readonly string[];
}

const nodePackage = `node-${process.platform}-${process.arch}`;
const runtimes: readonly Runtime[] = [
  ...['20.19.0', '22', '24', '26'].map((version) => ({
    name: `node-${version}`,
    ...{ spec: `${nodePackage}@${version}`, program: `${nodePackage}/bin/node`, args: [] },
  })),
  { name: 'deno', spec: 'deno@2', program: 'deno/bin.cjs', args: ['run', '--allow-all'] },
  { name: 'bun', spec: 'bun@1', program: 'bun/bin/bun.exe', args: [] },
];

const cache = `${packageRoot}.tmp/runtimes/`;
const say = (text: string) => process.stdout.write(`${text}\n`);
const npm = (cwd: string, ...args: string[]) =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

/** Creates a folder with a manifest, so that npm installs into it. */
const folderOf = (name: string): string => {
  const folder = `${cache}${name}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/package.json`, '{ "private": true, "type": "module" }');
  return folder;
};

/** Packs this package and installs it with its production dependencies, with the programs that the runtimes run. */
const installPackage = async (): Promise<string> => {
  const folder = folderOf('user');
  rmSync(`${folder}/node_modules`, { recursive: true, force: true });
  const packed = npm(packageRoot, 'pack', '--silent', '--pack-destination', folder).trim().split('\n').at(-1);
  npm(folder, 'install', '--no-save', '--silent', '--no-audit', '--no-fund', `./${packed}`);
  cpSync(`${packageRoot}scripts/runtimes/smoke.mjs`, `${folder}/smoke.mjs`);
  await build({
    entryPoints: [`${packageRoot}scripts/runtimes/destinations.ts`],
    outfile: `${folder}/destinations.mjs`,
    ...{ bundle: true, packages: 'external', platform: 'node', format: 'esm' },
  });
  return folder;
};

/** Downloads a runtime unless the cache has it, and returns the command that runs a script. */
const install = ({ name, spec, program, args }: Runtime): readonly [string, ...string[]] => {
  const folder = folderOf(name);
  const path = `${folder}/node_modules/${program}`;
  if (!existsSync(path)) npm(folder, 'install', '--silent', '--no-audit', '--no-fund', '--force', spec);
  // The program of Deno's package is a script that starts the one for this system.
  return path.endsWith('.cjs') ? [process.execPath, path, ...args] : [path, ...args];
};

const user = await installPackage();
const server = await startRedis();
const endpoint = await startHookEndpoint();
const environment = { ...process.env, REAPER_REDIS: server.url, REAPER_NAMESPACE: 't' };

/** Runs a script in a runtime. Without an end within a minute it is killed. */
const run = async ([program, ...args]: readonly string[], ...script: string[]) => {
  const child = spawn(program ?? '', [...args, ...script], { cwd: user, env: environment, timeout: 60_000 });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: stdout.trim(), stderr: stderr.trim() };
};

/** What a runtime has to do: what is checked, what it gave, and what it has to give. */
const check = async (command: readonly string[]): Promise<readonly (readonly [string, unknown, unknown])[]> => {
  await server.client.flushall();
  endpoint.hooks.length = 0;
  await seedJob(server.client, 'unconfirmed', { status: 'Success', web_hook_url: `${endpoint.url}/200/unconfirmed` });
  await seedPool(server.client, 'gone', { heartbeat: 1, holds: new Map([['X', ['held']]]) });
  const passes = await run(command, 'smoke.mjs');
  const done = '{"verdicts":{"refire":1},"delivered":1,"entries":1,"served":[200,200,303],"errors":[]}';
  const port = new URL(endpoint.url).port;
  const hooks = endpoint.hooks.map(({ body }) => body?.job_id);
  const destinations = await run(command, 'destinations.mjs', port);
  const main = `node_modules/jobservice-reaper/${JSON.parse(readFileSync(`${packageRoot}package.json`, 'utf8')).bin.reaper}`;
  const status = await run(command, main, 'status', '--json');
  return [
    ['sweep and rescue', passes, { code: 0, stdout: done, stderr: '' }],
    ['hooks at the endpoint', hooks, ['unconfirmed']],
    ['entries in the queue', await idsIn(server.client, 't:jobs:X'), ['held']],
    ['addresses of hooks', destinations, { code: 0, stdout: '["accepted","forbidden","forbidden"]', stderr: '' }],
    [
      'reaper status',
      [status.code, JSON.parse(status.stdout || 'null')?.queues?.[0]?.queued, status.stderr],
      // No live pool takes the requeued entry.
      [needsAttention, 1, ''],
    ],
  ];
};

let failures = 0;
try {
  const names = process.argv.slice(2);
  for (const runtime of runtimes.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const command = install(runtime);
    const { stdout } = await run([command[0], ...command.slice(1).filter((arg) => arg.endsWith('.cjs'))], '--version');
    const wrong = (await check(command)).filter(([, given, expected]) => !isDeepStrictEqual(given, expected));
    failures += wrong.length;
    say(`${wrong.length === 0 ? '✓' : '✗'} ${runtime.name}: ${stdout.split('\n')[0]}`);
    for (const [what, given, expected] of wrong) {
      say(`    ${what}: ${JSON.stringify(given)}\n    expected: ${JSON.stringify(expected)}`);
    }
  }
} finally {
  await Promise.all([server.stop(), endpoint.stop()]);
}
process.exitCode = failures === 0 ? 0 : 1;
