// Brings what the project's commands need on a fresh machine: the npm packages of the lockfile, and redis-server. Plain
// Node without a dependency, since it runs before there is any. Ends with 1 and a line that says what to do where it can't.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const say = (text) => process.stderr.write(`setup: ${text}\n`);
const run = (command, ...args) => spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] }).status === 0;
const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0;
const giveUp = (text) => {
  say(text);
  process.exit(1);
};

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19))
  giveUp(`Node ${process.versions.node} is too old: 20.19 or newer is needed`);

// The packages: npm notes beside them what it has installed, to be held against the lockfile. What is optional may be
// absent: most of it is for other systems.
const packagesOf = (path) => {
  try {
    return JSON.parse(readFileSync(`${root}${path}`, 'utf8')).packages ?? {};
  } catch {
    return {};
  }
};
const installed = packagesOf('node_modules/.package-lock.json');
const isCurrent = Object.entries(packagesOf('package-lock.json')).every(
  ([path, { version, optional }]) =>
    path === '' || (installed[path] === undefined ? optional : installed[path].version === version),
);
if (!isCurrent) {
  say('installing the npm packages');
  if (!run('npm', 'ci', '--no-audit', '--no-fund')) giveUp('npm ci failed: see above');
}

// What the system has to bring. Where a package manager may not be used, the person is told what to type.
const isRoot = process.getuid?.() === 0;
const sudo = isRoot
  ? []
  : has('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
    ? ['sudo', '-n']
    : undefined;
const managers = [
  {
    command: 'apt-get',
    packages: { 'redis-server': 'redis-server', chromium: 'chromium' },
    steps: (name) => [
      ['apt-get', 'update'],
      ['apt-get', 'install', '-y', '--no-install-recommends', name],
    ],
  },
  {
    command: 'apk',
    packages: { 'redis-server': 'redis', chromium: 'chromium' },
    steps: (name) => [['apk', 'add', name]],
  },
  {
    command: 'dnf',
    packages: { 'redis-server': 'redis', chromium: 'chromium' },
    steps: (name) => [['dnf', 'install', '-y', name]],
  },
  {
    command: 'brew',
    needsNoRoot: true,
    packages: { 'redis-server': 'redis', chromium: 'chromium' },
    steps: (name) => [['brew', 'install', name]],
  },
];
/** With `--chromium` also what tests in a browser need. */
const needs = ['redis-server', ...(process.argv.includes('--chromium') ? ['chromium'] : [])];
for (const need of needs) {
  if (has(need)) continue;
  const manager = managers.find(({ command }) => has(command));
  if (manager === undefined)
    giveUp(`${need} is missing, and no package manager is known here: install it so that ${need} is on the PATH`);
  const prefix = manager.needsNoRoot ? [] : sudo;
  const steps = manager.steps(manager.packages[need]);
  if (prefix === undefined) giveUp(`${need} is missing: run  sudo ${steps.at(-1).join(' ')}`);
  say(`installing ${need}`);
  for (const step of steps) {
    const [command, ...args] = [...prefix, ...step];
    if (!run(command, ...args) && step === steps.at(-1))
      giveUp(`${need} could not be installed: run  ${steps.at(-1).join(' ')}  and look what it says`);
  }
  if (!has(need)) giveUp(`${need} is still not on the PATH`);
}
