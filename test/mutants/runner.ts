import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVitest } from 'vitest/node';
import { packageRoot } from '../../src/package.ts';
import { buildPrograms } from '../support/buildPrograms.ts';

/** Copies the files that git knows into a temporary folder. The copy uses the packages of this project, and is removed when it ends. */
export const copyOfProject = (): string => {
  const copy = mkdtempSync(join(tmpdir(), 'reaper-mutants-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: packageRoot });
  for (const file of String(list).split('\0')) {
    if (file !== '' && !file.startsWith('docs/') && existsSync(packageRoot + file))
      cpSync(packageRoot + file, join(copy, file));
  }
  cpSync(`${packageRoot}docs`, join(copy, 'docs'), { recursive: true });
  symlinkSync(`${packageRoot}node_modules`, join(copy, 'node_modules'));
  return copy;
};

/** Runs tests in a copy of the project. */
export interface Runner {
  /** Returns the first test that fails, or undefined if none fails. */
  failureOf(tests: readonly string[]): Promise<string | undefined>;
  /**
   * The same with another text in a file, which is taken back. Throws if the text proves nothing: it does not compile, or a test file
   * cannot be loaded with it.
   */
  failureWith(file: string, text: string, tests: readonly string[]): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Creates a runner. One runner is used for all edits, because its start takes longer than most tests. */
export const createRunner = async (copy: string): Promise<Runner> => {
  const vitest = await createVitest('test', {
    root: copy,
    config: join(copy, 'test/mutants/vitest.config.ts'),
    watch: false,
    reporters: [{}],
    bail: 1,
  });
  const programs = join(copy, '.tmp/programs');
  vitest.provide('programs', programs);
  await vitest.standalone();
  const build = createBuild(copy, programs);

  const run = async (path: string) => {
    vitest.state.filesMap.clear(); // Otherwise the failures of the edit before would end this run.
    const { testModules } = await vitest.runTestSpecifications(await vitest.globTestSpecifications([path]));
    const [module] = testModules;
    if (module === undefined) throw new Error(`${path} could not be run`);
    return module;
  };

  const failureOf = async (tests: readonly string[], file?: string) => {
    await build(file);
    for (const test of tests) {
      const path = `test/${test}.test.ts`;
      const module = await run(path);
      if (module.state() === 'failed') return wordsOf(module, path, file);
    }
    return undefined;
  };
  const write = (path: string, text: string) => {
    writeFileSync(path, text);
    vitest.invalidateFile(path);
  };

  return {
    failureOf: (tests) => failureOf(tests),
    async failureWith(file, text, tests) {
      const path = join(copy, file);
      const before = readFileSync(path, 'utf8');
      write(path, text);
      try {
        return await failureOf(tests, file);
      } finally {
        write(path, before);
      }
    },
    close: () => vitest.close(),
  };
};

/** Builds the programs and the page that tests use, if their sources were changed for this edit or for the one before. */
const createBuild = (copy: string, programs: string) => {
  const stale = { programs: true, page: false };
  return async (file: string | undefined) => {
    const isPage = file?.startsWith('visualize/page/') === true;
    const isSource = file?.endsWith('.ts') === true;
    const mustBuild = { programs: stale.programs || isSource, page: stale.page || isPage };
    // A build that fails leaves both stale, because the edit is taken back.
    Object.assign(stale, mustBuild);
    if (mustBuild.page) execFileSync(process.execPath, [join(copy, 'scripts/build-page.mjs')]);
    if (mustBuild.programs) await buildPrograms(copy, programs);
    stale.programs = isSource;
    stale.page = isPage;
  };
};

type TestModule = Awaited<
  ReturnType<Awaited<ReturnType<typeof createVitest>>['runTestSpecifications']>
>['testModules'][number];

/** The failed test and its error. Throws if the edit keeps the test file from being loaded: such an edit proves nothing. */
const wordsOf = (module: TestModule, path: string, file: string | undefined): string => {
  const [failed] = [...module.children.allTests('failed')];
  const [error] = failed?.result().errors ?? module.errors();
  const message = error?.message.split('\n')[0] ?? '';
  const isLoaded = [...module.children.allTests()].length > 0;
  // The paths of a chart are computed while the test file is loaded. An edit may make them endless, and that counts.
  const isEndless = message.includes('Traversal limit exceeded');
  if (!isLoaded && !isEndless) throw new Error(`${path} cannot be loaded, amend the edit of ${file}: ${message}`);
  return `${path}: ${failed?.fullName ?? 'after all tests'}: ${message}`;
};
