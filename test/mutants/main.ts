/**
 * `npm run mutants -- [LIST…]`: makes each edit of the lists in a copy of the project, and runs the tests that should fail.
 * LIST is a list of edits, or the beginning of the names of some: `lua` for all of that room.
 * An edit that no test fails on is a survivor: behavior that no test proves. Prints a line each, and the score of each list and room.
 *
 * --only TEXT     edits of files whose path contains it
 * --grep PATTERN  edits of which the list says that this goes wrong
 * --shard I/N     every Nth edit, from the Ith on
 * --unedited      also runs the tests of these edits without any first, for a test that always fails proves nothing
 *
 * Ends with 1 if the score of a room is below 90 % (`lua`, `machines`, `io`) or 80 %.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createVitest } from 'vitest/node';
import { packageRoot } from '../../src/package.ts';
import { buildPrograms } from '../support/buildPrograms.ts';
import { allEdits, type Edit, withEdit } from './edits.ts';

const leastScoreOf = (room: string) => (['lua', 'machines', 'io'].includes(room) ? 90 : 80);
/** A copy of the project, as git lists it, which uses the packages of this one. */
const copyOfProject = (): string => {
  const copy = mkdtempSync(join(tmpdir(), 'reaper-mutants-'));
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: packageRoot });
  for (const file of String(list).split('\0')) {
    if (file !== '' && !file.startsWith('docs/') && existsSync(packageRoot + file))
      cpSync(packageRoot + file, join(copy, file));
  }
  cpSync(`${packageRoot}docs`, join(copy, 'docs'), { recursive: true });
  symlinkSync(`${packageRoot}node_modules`, join(copy, 'node_modules'));
  return copy;
};

/** What runs the tests of the copy: one for all edits, since to start one takes longer than most tests. */
const createRunner = async (copy: string) => {
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
  /** Whether the programs were built of other sources. */
  let areStale = true;
  return {
    /** The first test that fails; undefined if none does. The file is the one that was written since the last call. */
    async failureOf(tests: readonly string[], file: string | undefined): Promise<string | undefined> {
      if (file !== undefined) vitest.invalidateFile(join(copy, file));
      const isSource = file?.endsWith('.ts') === true;
      if (areStale || isSource) await buildPrograms(copy, programs);
      areStale = isSource;
      for (const test of tests) {
        const path = `test/${test}.test.ts`;
        // What failed with the last edit would end this run.
        vitest.state.filesMap.clear();
        const { testModules } = await vitest.runTestSpecifications(await vitest.globTestSpecifications([path]));
        const [module] = testModules;
        if (module === undefined) throw new Error(`${path} could not be run`);
        if (module.state() === 'failed') {
          const [failed] = [...module.children.allTests('failed')];
          const [error] = failed?.result().errors ?? module.errors();
          const message = error?.message.split('\n')[0] ?? '';
          const isLoaded = [...module.children.allTests()].length > 0;
          // Paths of a chart are made while their file is loaded: an edit may make them endless.
          const isEndless = message.includes('Traversal limit exceeded');
          if (!isLoaded && !isEndless)
            throw new Error(`${path} can't be loaded, amend the edit of ${file}: ${message}`);
          return `${path}: ${failed?.fullName ?? 'after all tests'}: ${message}`;
        }
      }
      return undefined;
    },
    close: () => vitest.close(),
  };
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    grep: { type: 'string' },
    shard: { type: 'string', default: '1/1' },
    unedited: { type: 'boolean', default: false },
  },
});
const [index, count] = values.shard.split('/').map(Number) as [number, number];
const lists = Object.entries(allEdits())
  .filter(([list]) => positionals.length === 0 || positionals.some((name) => list.startsWith(name)))
  .map(([list, edits]) => ({
    list,
    edits: edits
      .filter(({ file, wrong }) => file.includes(values.only ?? '') && new RegExp(values.grep ?? '').test(wrong))
      .filter((_, i) => i % count === index - 1),
  }));

const scoreOf = (killed: number, all: number) => `${killed} of ${all} killed, ${((100 * killed) / all).toFixed(1)} %`;
const say = (text: string) => process.stdout.write(`${text}\n`);
const copy = copyOfProject();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
const runner = await createRunner(copy);
const rooms = new Map<string, { killed: number; all: number }>();
if (values.unedited) {
  const tests = new Set(lists.flatMap(({ edits }) => edits.flatMap((edit) => edit.tests)));
  const failure = await runner.failureOf([...tests], undefined);
  if (failure !== undefined) throw new Error(`fails without an edit: ${failure}`);
}
for (const { list, edits } of lists) {
  const survivors: Edit[] = [];
  let killed = 0;
  for (const edit of edits) {
    if (edit.same !== undefined) continue;
    const path = join(copy, edit.file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, withEdit(text, edit));
    const began = performance.now();
    const failure = await runner.failureOf(edit.tests, edit.file).finally(() => writeFileSync(path, text));
    const seconds = Math.round((performance.now() - began) / 1_000);
    if (failure === undefined) survivors.push(edit);
    else killed += 1;
    say(`${failure === undefined ? 'SURVIVES' : 'killed'} ${edit.file}: ${edit.wrong} (${seconds} s) ${failure ?? ''}`);
  }
  if (killed + survivors.length === 0) continue;
  const room = list.split('-')[0] as string;
  const before = rooms.get(room) ?? { killed: 0, all: 0 };
  rooms.set(room, { killed: before.killed + killed, all: before.all + killed + survivors.length });
  say(`\n${list}: ${scoreOf(killed, killed + survivors.length)}`);
  for (const { file, before, after, wrong } of survivors) say(`  ${file}: ${wrong}\n    - ${before}\n    + ${after}`);
}
await runner.close();
for (const [room, { killed, all }] of rooms) {
  say(`${room}: ${scoreOf(killed, all)}`);
  if (100 * killed < leastScoreOf(room) * all) process.exitCode = 1;
}
