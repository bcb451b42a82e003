import { execFileSync } from 'node:child_process';
import { packageRoot } from '../../src/package.ts';

export const chart = `${packageRoot}deploy/helm/jobservice-reaper`;

/** Renders the chart for a Kubernetes of today, in the namespace `harbor`. */
export const render = (helm: string, release: string, ...args: string[]): string =>
  execFileSync(helm, ['template', release, chart, '--namespace', 'harbor', '--kube-version', '1.30.0', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** The plain manifests by file name: the chart with its defaults, without what only helm needs. */
export const manifests = (helm: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    render(helm, 'jobservice-reaper')
      .split(/^---\n/m)
      .filter((text) => text.trim() !== '')
      .map((text) => {
        const [, name = ''] = /^# Source: .*\/(.*)$/m.exec(text) ?? [];
        const lines = text
          .split('\n')
          .filter((line) => !/^# Source|helm\.sh\/chart|managed-by: Helm|checksum\/config/.test(line));
        const plain = lines.join('\n').replace(/^ +annotations:\n(?= {4}spec:)/m, '');
        return [
          `deploy/kubernetes/${name}`,
          `# Made from the chart by \`npm run deploy:check -- --write\`.\n${plain.trimEnd()}\n`,
        ];
      }),
  );
