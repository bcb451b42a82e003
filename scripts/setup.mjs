// Brings what the project's commands need on a fresh machine: the npm packages of the lockfile, and redis-server. Plain
// Node without a dependency, since it runs before there is any. Ends with 1 and a line that says what to do where it can't.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url).pathname;
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

// The packages: those of the lockfile, installed once for each state of it.
const lock = createHash('sha256')
  .update(readFileSync(`${root}package-lock.json`))
  .digest('hex');
const mark = `${root}node_modules/.setup`;
if (!existsSync(mark) || readFileSync(mark, 'utf8') !== lock) {
  say('installing the npm packages');
  if (!run('npm', 'ci', '--no-audit', '--no-fund')) giveUp('npm ci failed: see above');
  writeFileSync(mark, lock);
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
    packages: { 'redis-server': 'redis-server' },
    steps: (name) => [
      ['apt-get', 'update'],
      ['apt-get', 'install', '-y', '--no-install-recommends', name],
    ],
  },
  { command: 'apk', packages: { 'redis-server': 'redis' }, steps: (name) => [['apk', 'add', name]] },
  { command: 'dnf', packages: { 'redis-server': 'redis' }, steps: (name) => [['dnf', 'install', '-y', name]] },
  {
    command: 'brew',
    needsNoRoot: true,
    packages: { 'redis-server': 'redis' },
    steps: (name) => [['brew', 'install', name]],
  },
];
for (const need of ['redis-server']) {
  if (has(need)) continue;
  const manager = managers.find(({ command }) => has(command));
  if (manager === undefined)
    giveUp(`${need} is missing, and no package manager is known here: install Redis 7 so that ${need} is on the PATH`);
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
