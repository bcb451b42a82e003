/**
 * `npm run mutants:ts -- [ROOM…]`: runs StrykerJS on the files of `pureFiles.ts`, with the tests that need no Redis. The mutants that
 * survive these are tried with slower ones (`slowTestsOf`, and those that the lists of edits name for their file). Prints the
 * survivors of both and the score of each room. `equivalent.txt` lists the mutants that change no visible behavior, each with its reason.
 *
 * --only TEXT     files whose path contains TEXT
 * --shard I/N     every Nth file of each room, starting with the Ith
 * --quick         without mutants of what runs when a module is loaded: each of these needs all tests of its file, nine tenths of
 *                 the time
 * --again         takes the mutants that the last run has found, and only tries its survivors
 *
 * Exits with 1 if the score of a room is too low. Files that need Redis have lists of edits instead (`edits/`).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/package.ts';
import { allEdits, parseEdits } from './edits.ts';
import { pureRooms, slowTestsOf } from './pureFiles.ts';
import { copyOfProject, createRunner } from './runner.ts';

/** A place in a source; both count from 1. */
interface Position {
  readonly line: number;
  readonly column: number;
}

/** The part of StrykerJS's report that is used. */
interface Report {
  readonly files: Readonly<
    Record<
      string,
      {
        readonly source: string;
        readonly mutants: readonly {
          readonly status: string;
          readonly replacement: string;
          readonly location: { readonly start: Position; readonly end: Position };
        }[];
      }
    >
  >;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '' },
    shard: { type: 'string', default: '1/1' },
    quick: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
  },
});
const [shard = 1, shards = 1] = values.shard.split('/').map(Number);
const folder = `${packageRoot}.tmp/mutants/`;
mkdirSync(folder, { recursive: true });
const say = (text: string) => process.stdout.write(`${text}\n`);
const oneLine = (text: string) => text.trim().replace(/\s+/g, ' ');

const equivalent = new Set(
  parseEdits(readFileSync(new URL('./equivalent.txt', import.meta.url), 'utf8'), 'equivalent.txt').map(
    ({ file, before, after }) => `${file}: ${oneLine(before)} → ${oneLine(after)}`,
  ),
);

const configFor = (files: readonly string[], report: string) => ({
  mutate: files,
  plugins: ['@stryker-mutator/vitest-runner'],
  testRunner: 'vitest',
  vitest: { configFile: 'test/mutants/vitest.pure.config.ts' },
  coverageAnalysis: 'perTest',
  ignoreStatic: values.quick,
  concurrency: 1,
  // StrykerJS cannot read tsconfig.json without an older TypeScript.
  tsconfigFile: 'none.json',
  disableTypeChecks: false,
  tempDirName: '.tmp/mutants/sandbox',
  ignorePatterns: ['.tmp', 'dist', 'docs', 'bench'],
  reporters: ['json', 'progress-append-only'],
  jsonReporter: { fileName: report },
  // A mutant with an endless loop is killed by this time-out. It is long, because other mutants are slow on a busy machine.
  timeoutMS: 10_000,
});

/** Runs StrykerJS on some files. Its output goes to stderr. */
const mutate = async (room: string, files: readonly string[]): Promise<Report> => {
  const [config, report] = [`${folder}${room}.config.json`, `${folder}${room}.json`];
  if (values.again) return JSON.parse(readFileSync(report, 'utf8')) as Report;
  rmSync(report, { force: true });
  writeFileSync(config, JSON.stringify(configFor(files, report)));
  const stryker = spawn(process.execPath, ['node_modules/@stryker-mutator/core/bin/stryker.js', 'run', config], {
    cwd: packageRoot,
    env: { ...process.env, MUTANTS_ROOM: room },
    stdio: ['ignore', 2, 2],
  });
  await once(stryker, 'exit');
  return JSON.parse(readFileSync(report, 'utf8')) as Report;
};

const killedStatuses = ['Killed', 'Timeout', 'RuntimeError'];
const skippedStatuses = ['Ignored', 'CompileError'];

interface Survivor {
  readonly file: string;
  readonly line: number;
  /** The line, the text that stands for a part of it, and the whole mutant. */
  readonly before: string;
  readonly after: string;
  readonly text: string;
}

const offsetOf = (lines: readonly string[], { line, column }: Position) =>
  lines.slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0) + column - 1;

/** Counts the mutants of a report, and takes out those on which no test has failed. */
const count = (report: Report, files: readonly string[]) => {
  let [killed, explained] = [0, 0];
  const survivors: Survivor[] = [];
  for (const [file, { source, mutants }] of Object.entries(report.files)) {
    if (!files.includes(file)) continue;
    const lines = source.split('\n');
    for (const { status, replacement, location } of mutants) {
      if (skippedStatuses.includes(status)) continue;
      const [line, before] = [location.start.line, oneLine(lines[location.start.line - 1] ?? '')];
      const after = oneLine(replacement);
      const isKilled = killedStatuses.includes(status);
      if (isKilled) killed += 1;
      else if (equivalent.has(`${file}: ${before} → ${after}`)) explained += 1;
      else {
        const [start, end] = [offsetOf(lines, location.start), offsetOf(lines, location.end)];
        survivors.push({ file, line, before, after, text: source.slice(0, start) + replacement + source.slice(end) });
      }
    }
  }
  return { killed, explained, survivors };
};

const named = Object.values(allEdits()).flat();
/** The tests that need Redis, or may: those that the lists of edits name for a file, and its own. */
const testsOf = (file: string): string[] => [
  ...new Set([...slowTestsOf(file), ...named.filter((edit) => edit.file === file).flatMap(({ tests }) => tests)]),
];

/** Tries mutants with the tests of the lists. Returns those that survive these too. */
const tryAgain = async (mutants: readonly Survivor[]): Promise<Survivor[]> => {
  const runner = await createRunner(copyOfProject());
  const left: Survivor[] = [];
  for (const mutant of mutants) {
    const { file, line, before, after, text } = mutant;
    const failure = await runner.failureWith(file, text, testsOf(file)).catch(() => undefined);
    const isKilled = failure !== undefined;
    if (!isKilled) left.push(mutant);
    say(`${isKilled ? 'killed' : 'survived'} ${file}:${line}\n- ${before}\n+ ${after}\n${failure ?? ''}\n`);
  }
  await runner.close();
  return left;
};

let isEnough = true;
for (const [name, { files, minScore }] of Object.entries(pureRooms)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const some = files.filter((file, i) => i % shards === shard - 1 && file.includes(values.only));
  if (some.length === 0) continue;
  const { killed, explained, survivors } = count(await mutate(name, some), some);
  const left = await tryAgain(survivors);
  const all = killed + survivors.length;
  const score = all === 0 ? 100 : (100 * (all - left.length)) / all;
  say(
    `${name}: ${all - left.length} of ${all} killed (${killed} without Redis), ${score.toFixed(1)} %; ${explained} equivalent`,
  );
  isEnough &&= score >= minScore;
}
// With a mutant, a test may leave a timer that never ends.
process.exit(isEnough ? 0 : 1);
