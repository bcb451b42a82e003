/**
 * `npm run mutants:ts -- [ROOM…]`: runs StrykerJS on the files of `pureFiles.ts`, with the tests that need no Redis. Prints the
 * survivors and the score of each room. `equivalent.txt` lists the mutants that change no visible behavior, each with its reason.
 *
 * --only TEXT     files whose path contains TEXT
 * --shard I/N     every Nth file of each room, starting with the Ith
 * --quick         without mutants of what runs when a module is loaded: each of these needs all tests of its file, nine tenths of
 *                 the time
 *
 * Exits with 1 if the score of a room is too low. Files that need Redis have lists of edits instead (`edits/`).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/package.ts';
import { parseEdits } from './edits.ts';
import { pureRooms } from './pureFiles.ts';

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
          readonly location: { readonly start: { readonly line: number } };
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

/** Counts the mutants of a report, and prints the survivors. */
const count = (report: Report) => {
  let [killed, explained, all] = [0, 0, 0];
  for (const [file, { source, mutants }] of Object.entries(report.files)) {
    const lines = source.split('\n');
    for (const { status, replacement, location } of mutants) {
      if (skippedStatuses.includes(status)) continue;
      const line = lines[location.start.line - 1] ?? '';
      const isKilled = killedStatuses.includes(status);
      if (!isKilled && equivalent.has(`${file}: ${oneLine(line)} → ${oneLine(replacement)}`)) {
        explained += 1;
        continue;
      }
      all += 1;
      if (isKilled) killed += 1;
      else say(`survived ${file}:${location.start.line}\n- ${oneLine(line)}\n+ ${oneLine(replacement)}\n`);
    }
  }
  return { killed, explained, all };
};

let isEnough = true;
for (const [name, { files, minScore }] of Object.entries(pureRooms)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const some = files.filter((file, i) => i % shards === shard - 1 && file.includes(values.only));
  if (some.length === 0) continue;
  const { killed, explained, all } = count(await mutate(name, some));
  const score = all === 0 ? 100 : (100 * killed) / all;
  say(`${name}: ${killed} of ${all} killed, ${score.toFixed(1)} %; ${explained} equivalent`);
  isEnough &&= score >= minScore;
}
process.exitCode = isEnough ? 0 : 1;
