// `npm run setup`: installs what this project's commands need and what is missing: the npm packages of the lockfile,
// redis-server and chromium. `npm run setup -- redis-server` leaves chromium out. Where it may not install, it ends with
// exit code 1 and the one line to type. Plain Node without dependencies, because it runs before there are any.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const programs = ['redis-server', 'chromium'];

/** Package managers, in the order in which they are asked: which programs each has, and by what name. */
const managers = [
  {
    command: 'apt-get',
    // Ubuntu's package of Chromium installs nothing but the snap.
    packages: { 'redis-server': 'redis-server', ...(isUbuntu() ? {} : { chromium: 'chromium' }) },
    before: ['apt-get', 'update'],
    install: ['apt-get', 'install', '-y', '--no-install-recommends'],
  },
  {
    command: 'apk',
    packages: { 'redis-server': 'redis', chromium: 'chromium' },
    install: ['apk', 'add', '--no-cache'],
  },
  {
    command: 'dnf',
    packages: { 'redis-server': 'redis', chromium: 'chromium' },
    install: ['dnf', 'install', '-y'],
  },
  {
    command: 'brew',
    isForUsers: true,
    packages: { 'redis-server': 'redis', chromium: 'chromium' },
    install: ['brew', 'install'],
  },
  { command: 'snap', packages: { chromium: 'chromium' }, install: ['snap', 'install'] },
];

const needs = process.argv.length > 2 ? process.argv.slice(2) : programs;
const unknown = needs.find((need) => !programs.includes(need));
if (unknown !== undefined) stop(`${unknown} is not known. Name one or both of: ${programs.join(', ')}.`);
checkNode();
installPackages();
installPrograms();

/** Compares Node's version with `engines` of package.json, which has one minimum. */
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

/** Runs `npm ci`, unless node_modules holds the lockfile's versions already. Optional packages of other systems may be missing. */
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
  const missing = needs.filter((need) => !isThere(need));
  if (missing.length === 0) return;
  const steps = stepsFor(missing);
  const line = steps.map((step) => step.join(' ')).join(' && ');
  const names = missing.join(' and ');
  if (steps.some(([command]) => command === 'sudo') && !run('sudo', '-n', 'true'))
    stop(`${names} must be installed as root. Type:`, line);
  say(`installing ${names}`);
  // A list of packages that can't be updated need not keep a package from being installed.
  const failed = steps.filter(([command, ...args]) => !run(command, ...args) && !args.includes('update'));
  if (failed.length > 0) stop(`${names} could not be installed. See above why, then type:`, line);
  const still = missing.filter((need) => !isThere(need));
  if (still.length > 0) stop(`not found after installing: ${still.join(', ')}. Add its folder to the PATH.`);
}

/** The commands that install these programs, with `sudo` where it is needed. */
function stepsFor(missing) {
  const choices = missing.map((need) => {
    const manager = managers.find(({ command, packages }) => packages[need] !== undefined && has(command));
    if (manager === undefined)
      stop(`${need} is missing, and no known package manager has it. Install it, so that ${need} is on the PATH.`);
    return { manager, name: manager.packages[need] };
  });
  return [...new Set(choices.map(({ manager }) => manager))].flatMap((manager) => {
    const prefix = manager.isForUsers || process.getuid?.() === 0 ? [] : ['sudo'];
    const names = choices.filter((choice) => choice.manager === manager).map(({ name }) => name);
    const steps = manager.before === undefined ? [] : [manager.before];
    return [...steps, [...manager.install, ...names]].map((step) => [...prefix, ...step]);
  });
}

/** Whether a program can be started. `REDIS_SERVER` names another redis-server, as it does in the tests. */
function isThere(need) {
  const { REDIS_SERVER: server } = process.env;
  if (need !== 'redis-server' || !server) return has(need);
  if (!has(server))
    stop(`REDIS_SERVER names ${server}, which can't be run. Correct it, or type:`, 'unset REDIS_SERVER');
  return true;
}

function isUbuntu() {
  try {
    return /^ID=ubuntu$/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

/** A JSON file of the project; an empty object where it can't be read. */
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

/** Ends with exit code 1; the line to type comes last, by itself. */
function stop(text, line) {
  say(text);
  if (line !== undefined) process.stderr.write(`${line}\n`);
  process.exit(1);
}
