/** The Dockerfile and what is sent to its build. Its steps are run by `npm run image:check`. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { execForm, healthCommand, pairsOf, parseDockerfile, sentToBuild } from '../../scripts/image/dockerfile.ts';
import { packageRoot } from '../../src/package.ts';

const read = (file: string) => readFileSync(`${packageRoot}${file}`, 'utf8');
const stages = parseDockerfile(read('Dockerfile'));
const last = stages.at(-1)?.instructions ?? [];
const textOf = (name: string) => last.findLast((one) => one.name === name)?.text ?? '';

describe('the image', () => {
  test('has no build tools: it copies only from the stage that built, and runs no package manager', () => {
    expect(stages).toHaveLength(2);
    const copies = last.filter(({ name }) => name === 'COPY');
    expect(copies.map(({ text }) => text)).toEqual(['--from=build /image /opt/jobservice-reaper']);
    for (const { text } of last.filter(({ name }) => name === 'RUN')) expect(text).not.toMatch(/npm|apt|curl/);
  });

  test('installs by the lock file, without scripts of other packages', () => {
    const runs = stages.flatMap(({ instructions }) => instructions.filter(({ name }) => name === 'RUN'));
    expect(runs[0]?.text).toMatch(/^npm ci --ignore-scripts/);
    expect(runs.some(({ text }) => /npm (i|install)\b/.test(text))).toBe(false);
  });

  test('runs as a user that is not root, by its number', () => {
    const [user, group] = textOf('USER').split(':').map(Number);
    expect(user).toBeGreaterThan(0);
    expect(group).toBeGreaterThan(0);
  });

  test('serves the probes where its health check asks for them', () => {
    expect(execForm(textOf('ENTRYPOINT'))).toEqual(['reaper']);
    const port = textOf('EXPOSE');
    expect(execForm(textOf('CMD'))).toEqual(['run', '--http', `0.0.0.0:${port}`]);
    const [program, flag, script] = healthCommand(textOf('HEALTHCHECK'));
    expect([program, flag]).toEqual(['node', '-e']);
    expect(script).toContain(`http://127.0.0.1:${port}/livez`);
  });

  test('has labels that say what it is, and no value that looks secret', () => {
    const labels = Object.assign({}, ...last.filter(({ name }) => name === 'LABEL').map(({ text }) => pairsOf(text)));
    expect(labels).toMatchObject({
      'org.opencontainers.image.title': 'jobservice-reaper',
      'org.opencontainers.image.licenses': 'Apache-2.0',
      'org.opencontainers.image.version': expect.stringContaining('{VERSION}'),
      'org.opencontainers.image.revision': expect.stringContaining('{REVISION}'),
    });
    expect(read('Dockerfile')).not.toMatch(/password|token|secret/i);
  });
});

test('the build gets what the package needs, and neither tests, node_modules nor the history', () => {
  const sent = sentToBuild(readdirSync(packageRoot), read('.dockerignore'));
  const { files } = JSON.parse(read('package.json')) as { files: string[] };
  for (const file of files.filter((file) => file !== 'dist' && !file.startsWith('!')))
    expect(sent).toContain(file.split('/')[0]);
  expect(sent).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', 'src', 'scripts', 'visualize']));
  for (const name of ['.git', 'dist', 'node_modules', 'test', 'bench']) expect(sent).not.toContain(name);
});

test('.dockerignore: the last pattern that matches decides, and other patterns are an error', () => {
  expect(sentToBuild(['a', 'b', 'c'], '*\n!a\n!b\nb\n')).toEqual(['a']);
  expect(() => sentToBuild(['a'], 'a/*.log\n')).toThrow('cannot read a/*.log');
});

test('continued lines, comments between them and stages are read', () => {
  expect(parseDockerfile('FROM a AS b\nRUN one \\\n# comment\n && two\n\nFROM c\nUSER 1:1\n')).toEqual([
    { image: 'a', name: 'b', instructions: [{ name: 'RUN', line: 2, text: 'one && two' }] },
    { image: 'c', name: undefined, instructions: [{ name: 'USER', line: 7, text: '1:1' }] },
  ]);
  expect(() => parseDockerfile('RUN x\n')).toThrow('Dockerfile:1: RUN before FROM');
});
