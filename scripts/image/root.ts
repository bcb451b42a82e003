import { execFileSync, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Instruction, pairsOf, type Stage, sentToBuild } from './dockerfile.ts';

/** A stage that was built: its folder, and what its steps have set. */
export interface Root {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: string;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What steps print on stdout goes to stderr: tsc prints its errors there. */
const toStderr: StdioOptions = ['ignore', 2, 2];

/** Runs a program to its end. */
export const run = (command: string, ...args: string[]): void => {
  execFileSync(command, args, { stdio: toStderr });
};

/**
 * Makes what `node:22-bookworm-slim` is: a minimal Debian 12 with Node's own build of that version in /usr/local, npm, and
 * the user `node` (1000).
 * @param debian a folder where debootstrap has made a minimal Debian 12 before. If undefined, debootstrap is run.
 */
export const makeBase = (image: string, folder: string, debian: string | undefined): void => {
  const [, major] = /^node:(\d+)-bookworm-slim$/.exec(image) ?? [];
  if (major === undefined) throw new Error(`Dockerfile: no way to make the image ${image}`);
  if (debian === undefined) run('debootstrap', '--variant=minbase', 'bookworm', folder, 'http://deb.debian.org/debian');
  else run('cp', '-a', debian, folder);
  const local = join(folder, 'usr/local');
  unpack(`node-linux-${process.arch}@${major}`, local);
  const npm = join(local, 'lib/node_modules/npm');
  mkdirSync(npm, { recursive: true });
  unpack('npm@10', npm);
  for (const name of ['npm', 'npx'])
    run('ln', '-sf', `../lib/node_modules/npm/bin/${name}-cli.js`, `${local}/bin/${name}`);
  run('chroot', folder, 'useradd', '--uid', '1000', '--user-group', '--create-home', 'node');
  for (const file of ['/etc/resolv.conf', '/etc/hosts']) copyFileSync(file, join(folder, file));
};

/** Unpacks a package of npm. */
const unpack = (name: string, to: string): void => {
  const folder = mkdtempSync(join(tmpdir(), 'reaper-pack-'));
  const [file = ''] = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder, name], {
    encoding: 'utf8',
  }).split('\n');
  run('tar', '-xzf', join(folder, file), '-C', to, '--strip-components=1', '--no-same-owner');
  run('rm', '-rf', folder);
};

/** Takes the steps of a stage in its folder. `roots` has the folders of the stages before it, by name. */
export const build = (stage: Stage, folder: string, context: string, roots: ReadonlyMap<string, Root>): Root => {
  let root: Root = { folder, environment: { PATH: path }, workdir: '/', user: '0:0' };
  for (const instruction of stage.instructions) {
    process.stderr.write(`  Dockerfile:${instruction.line} ${instruction.name} ${instruction.text.slice(0, 90)}\n`);
    root = take(instruction, root, context, roots);
  }
  return root;
};

const take = (
  { name, text, line }: Instruction,
  root: Root,
  context: string,
  roots: ReadonlyMap<string, Root>,
): Root => {
  switch (name) {
    case 'RUN':
      runStep(text, root);
      return root;
    case 'COPY':
      copy(text.split(/\s+/), root, context, roots);
      return root;
    case 'WORKDIR':
      mkdirSync(join(root.folder, text), { recursive: true });
      return { ...root, workdir: resolve(root.workdir, text) };
    case 'ENV':
      return { ...root, environment: { ...root.environment, ...pairsOf(text) } };
    case 'USER':
      return { ...root, user: text };
    case 'ARG':
    case 'LABEL':
    case 'EXPOSE':
    case 'HEALTHCHECK':
    case 'ENTRYPOINT':
    case 'CMD':
      return root; // about the image, not about its files
    default:
      throw new Error(`Dockerfile:${line}: no way to take the step ${name}`);
  }
};

const runStep = (text: string, root: Root): void => {
  const { folder, environment, workdir } = root;
  const own = variables({ ...environment, HOME: '/root', ...fromBuilder(root) });
  const proc = join(folder, 'proc');
  run('mount', '-t', 'proc', 'proc', proc);
  try {
    run('chroot', folder, 'env', '-i', ...own, 'sh', '-c', `cd ${workdir} && ${text}`);
  } finally {
    run('umount', proc);
  }
};

/** Where this machine trusts an authority of its own, the steps that use the network have to trust it too. */
const fromBuilder = ({ folder }: Root): Record<string, string> => {
  const { NODE_EXTRA_CA_CERTS: authorities } = process.env;
  if (!authorities) return {};
  copyFileSync(authorities, join(folder, 'tmp/builder-ca.crt'));
  return { NODE_EXTRA_CA_CERTS: '/tmp/builder-ca.crt', npm_config_cafile: '/tmp/builder-ca.crt' };
};

export const variables = (environment: Readonly<Record<string, string>>): string[] =>
  Object.entries(environment).map(([name, value]) => `${name}=${value}`);

const copy = (words: readonly string[], root: Root, context: string, roots: ReadonlyMap<string, Root>): void => {
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
  const paths = words.filter((word) => !word.startsWith('--'));
  const to = resolve('/', root.workdir, paths.at(-1) ?? '');
  const sources = paths.slice(0, -1);
  const origin = from === undefined ? context : roots.get(from)?.folder;
  if (origin === undefined) throw new Error(`Dockerfile: no stage is named ${from}`);
  const sent =
    from === undefined
      ? sentToBuild(readdirSync(context), readFileSync(join(context, '.dockerignore'), 'utf8'))
      : undefined;
  for (const source of sources) {
    const names = source === '.' && sent !== undefined ? sent : [source];
    for (const name of names) {
      if (sent !== undefined && !sent.includes(name)) throw new Error(`Dockerfile: .dockerignore leaves out ${name}`);
      const isWhole = sources.length === 1 && source !== '.';
      const target = join(root.folder, isWhole ? to : join(to, name));
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(origin, name), target, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    }
  }
};

/** Makes the folder read-only, with /proc, for this process and its children. The mounts end with the namespace. */
export const protect = ({ folder }: Root): void => {
  run('mount', '--bind', folder, folder);
  run('mount', '-t', 'proc', 'proc', join(folder, 'proc'));
  run('mount', '-o', 'remount,bind,ro', folder);
};

/** Takes the mounts of `protect` away. */
export const release = ({ folder }: Root): void => {
  spawnSync('umount', ['--recursive', '--lazy', folder], { stdio: 'ignore' });
};

/** Starts a program in the root: as its user, without capabilities, and with these variables beside its own. */
export const start = (root: Root, command: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
  const [user = '', group = ''] = root.user.split(':');
  const rights = [
    `--reuid=${user}`,
    `--regid=${group}`,
    '--clear-groups',
    '--no-new-privs',
    '--bounding-set=-all',
    '--inh-caps=-all',
  ];
  const own = variables({ ...root.environment, HOME: '/home/node', ...environment });
  const args = [root.folder, 'setpriv', ...rights, 'env', '-i', `--chdir=${root.workdir}`, ...own, ...command];
  return spawn('chroot', args, { stdio: ['ignore', 'pipe', 'pipe'] });
};

export const isInstalled = (program: string): boolean =>
  (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)));

/** Writes a file that the build of an image cannot make: a secret that is mounted. */
export const mountFile = ({ folder }: Root, name: string, text: string): void => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text, { mode: 0o444 });
};
