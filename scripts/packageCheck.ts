// `npm run package:check`: clones the last commit, packs it with npm, and looks at the package as its users do: publint, the
// types as each resolution finds them, the size of an installation, and the command through npx.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot, version } from '../src/package.ts';

/** Largest size of an installation with all its dependencies, in MB, as `du` counts it. */
const maxInstalled = 15;

const folder = mkdtempSync(join(tmpdir(), 'reaper-package-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const run = (cwd: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const passed = (text: string) => process.stdout.write(`✓ ${text}\n`);
const fail = (text: string): never => {
  process.stderr.write(`package: ${text}\n`);
  process.exit(1);
};

const clone = `${folder}/clone`;
run(folder, 'git', 'clone', '--quiet', '--no-local', packageRoot, clone);
run(clone, 'npm', 'pack', '--silent', '--pack-destination', folder);
const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? fail('npm packed nothing'));
passed('npm pack in a fresh clone');

const bin = `${packageRoot}node_modules/.bin/`;
process.stdout.write(run(folder, `${bin}publint`, 'run', tarball, '--strict'));
passed('publint');
// The package is for ESM only. Node 20.19 and newer can `require` it too.
process.stdout.write(run(folder, `${bin}attw`, tarball, '--profile', 'esm-only', '--no-emoji'));
passed('are the types wrong?');

const user = `${folder}/user`;
mkdirSync(user);
writeFileSync(`${user}/package.json`, '{ "private": true }');
run(user, 'npm', 'install', '--silent', '--no-audit', '--no-fund', tarball);
const installed = Number.parseInt(run(user, 'du', '-sm', 'node_modules'), 10);
process.stdout.write(run(user, 'sh', '-c', 'du -sk node_modules/* node_modules/@*/* | sort -rn | head -6'));
if (installed > maxInstalled)
  fail(`${installed} MB installed, more than ${maxInstalled} MB: see the largest packages above`);
passed(`${installed} MB installed`);

const shown = run(folder, 'npx', '--yes', `--package=${tarball}`, 'reaper', '--version');
if (shown !== `${version}\n`) fail(`npx reaper --version: ${shown}`);
passed(`npx reaper --version: ${version}`);
