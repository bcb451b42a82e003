// `npm run setup`: installs what is missing of what this project's commands need: the npm packages of the lockfile,
// redis-server, chromium, prometheus, and the shells whose completion is tested. `npm run setup -- redis-server` leaves the
// others out, and `-- none` all of them. If it lacks the right to install, it prints the command to type and exits with 1.
// Plain Node without dependencies, because it runs before they are installed.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const programs = ['redis-server', 'chromium', 'prometheus', 'zsh', 'fish'];
const shells = { zsh: 'zsh', fish: 'fish' };

/** Package managers, in the order of preference, with their package names. */
const managers = [
  {
    command: 'apt-get',
    // Ubuntu's Chromium package only installs the snap.
    packages: {
      'redis-server': 'redis-server',
      prometheus: 'prometheus',
      ...shells,
      ...(isUbuntu() ? {} : { chromium: 'chromium' }),
    },
    before: ['apt-get', 'update'],
    install: ['apt-get', 'install', '-y', '--no-install-recommends'],
  },
  {
    command: 'apk',
    packages: { 'redis-server': 'redis', chromium: 'chromium', prometheus: 'prometheus', ...shells },
    install: ['apk', 'add', '--no-cache'],
  },
  {
    command: 'dnf',
    packages: { 'redis-server': 'redis', chromium: 'chromium', prometheus: 'prometheus', ...shells },
    install: ['dnf', 'install', '-y'],
  },
  {
    command: 'brew',
    isForUsers: true,
    packages: { 'redis-server': 'redis', chromium: 'chromium', prometheus: 'prometheus', ...shells },
    install: ['brew', 'install'],
  },
  { command: 'snap', packages: { chromium: 'chromium' }, install: ['snap', 'install'] },
];

const given = process.argv.slice(2);
const needs = given.length === 0 ? programs : given.filter((need) => need !== 'none');
const unknown = needs.find((need) => !programs.includes(need));
if (unknown !== undefined) stop(`unknown program ${unknown}. Name one or more of: ${programs.join(', ')}.`);
checkNode();
installPackages();
installPrograms();

/** Compares Node's version with the minimum in `engines` of package.json. */
function checkNode() {
  const { engines } = readJson('package.json');
  const [major = 0, minor = 0] = engines.node.replace('>=', '').split('.').map(Number);
  const [ours, oursMinor] = process.versions.node.split('.').map(Number);
  if (ours > major || (ours === major && oursMinor >= minor)) return;
  stop(
    `Node ${process.versions.node} is too old: ${major}.${minor} or newer is needed. With nvm, type:`,
    'nvm install',
  );
}

/** Runs `npm ci`, unless node_modules has the lockfile's versions. Optional packages for other systems may be missing. */
function installPackages() {
  const installed = readJson('node_modules/.package-lock.json').packages ?? {};
  const isCurrent = Object.entries(readJson('package-lock.json').packages).every(
    ([path, { version, optional }]) =>
      path === '' || (installed[path] === undefined ? optional : installed[path].version === version),
  );
  if (isCurrent) return;
  say('installing the npm packages');
  if (!run('npm', 'ci', '--no-audit', '--no-fund')) stop('The npm packages could not be installed. Type:', 'npm ci');
}

/** Installs the missing programs with the system's package managers. */
function installPrograms() {
  const missing = needs.filter((need) => !isInstalled(need));
  if (missing.length === 0) return;
  const steps = stepsFor(missing);
  const line = steps.map((step) => step.join(' ')).join(' && ');
  const names = missing.join(' and ');
  if (steps.some(([command]) => command === 'sudo') && !run('sudo', '-n', 'true'))
    stop(`${names} must be installed as root. Type:`, line);
  say(`installing ${names}`);
  // The installation may succeed even if the package lists could not be updated.
  const failed = steps.filter(([command, ...args]) => !run(command, ...args) && !args.includes('update'));
  if (failed.length > 0) stop(`${names} could not be installed, for the reason above. Type:`, line);
  const still = missing.filter((need) => !isInstalled(need));
  if (still.length > 0) stop(`not found after installing: ${still.join(', ')}. Add its folder to the PATH.`);
}

/** The commands that install these programs, with `sudo` where it is needed. */
function stepsFor(missing) {
  const choices = missing.map((need) => {
    const manager = managers.find(({ command, packages }) => packages[need] !== undefined && has(command));
    if (manager === undefined)
      stop(`${need} is missing, and no known package manager has it. Install it and add it to the PATH.`);
    return { manager, name: manager.packages[need] };
  });
  return [...new Set(choices.map(({ manager }) => manager))].flatMap((manager) => {
    const prefix = manager.isForUsers || process.getuid?.() === 0 ? [] : ['sudo'];
    const names = choices.filter((choice) => choice.manager === manager).map(({ name }) => name);
    const steps = manager.before === undefined ? [] : [manager.before];
    return [...steps, [...manager.install, ...names]].map((step) => [...prefix, ...step]);
  });
}

/** Whether a program is installed. `REDIS_SERVER` selects another redis-server, as in the tests. */
function isInstalled(need) {
  const { REDIS_SERVER: server } = process.env;
  if (need !== 'redis-server' || !server) return has(need);
  if (!has(server))
    stop(`REDIS_SERVER names ${server}, which is not a program. Correct it, or type:`, 'unset REDIS_SERVER');
  return true;
}

function isUbuntu() {
  try {
    return /^ID=ubuntu$/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

/** Reads a JSON file of the project. Returns an empty object if it is unreadable. */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(`${root}${path}`, 'utf8'));
  } catch {
    return {};
  }
}

function has(command) {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', command], { stdio: 'ignore' }).status === 0;
}

function run(command, ...args) {
  return spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] }).status === 0;
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** Exits with 1. The command to type is the last line. */
function stop(text, line) {
  say(text);
  if (line !== undefined) process.stderr.write(`${line}\n`);
  process.exit(1);
}
