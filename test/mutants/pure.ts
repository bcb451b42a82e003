/**
 * `npm run mutants:ts -- [ROOM…]`: StrykerJS on the files that need no Redis, with the tests that need none. Prints the
 * survivors and the score of each room. Those that no one can see are in `equivalent.txt`, each with its reason.
 *
 * --only TEXT     files whose path contains it
 * --shard I/N     every Nth file of each room, from the Ith on
 *
 * Ends with 1 if the score of a room is below what it has to be. Files that talk to Redis have lists of edits instead (`edits/`).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/package.ts';
import { parseEdits } from './edits.ts';

interface Room {
  readonly leastScore: number;
  readonly files: readonly string[];
}

const namesIn = (folder: string, ...names: readonly string[]) => names.map((name) => `${folder}${name}.ts`);

const rooms: Readonly<Record<string, Room>> = {
  machines: {
    leastScore: 90,
    files: namesIn('src/machines/', 'verdict', 'facts', 'job', 'lane', 'pool', 'endpoint', 'dispatcher', 'supervisor'),
  },
  io: {
    leastScore: 90,
    files: namesIn(
      'src/io/',
      ...['retry', 'stats', 'keys', 'keyNames', 'redisErrors', 'redisUrl', 'outages', 'hooks', 'hookEvent'],
      ...['postReply', 'destination'],
    ),
  },
  rest: {
    leastScore: 80,
    files: [
      ...namesIn('src/options/', 'values', 'renamed', 'read'),
      'src/reaper/schedule.ts',
      'src/cli/text.ts',
      ...namesIn('visualize/', 'access', 'allowance', 'broadcast'),
    ],
  },
};

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
  options: { only: { type: 'string', default: '' }, shard: { type: 'string', default: '1/1' } },
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

/** Runs StrykerJS on some files; what it says goes to stderr. */
const mutate = async (room: string, files: readonly string[]): Promise<Report> => {
  const [config, report] = [`${folder}${room}.config.json`, `${folder}${room}.json`];
  rmSync(report, { force: true });
  writeFileSync(
    config,
    JSON.stringify({
      mutate: files,
      plugins: ['@stryker-mutator/vitest-runner'],
      testRunner: 'vitest',
      vitest: { configFile: 'test/mutants/vitest.pure.config.ts' },
      coverageAnalysis: 'perTest',
      concurrency: 1,
      // Its own reading of it needs an older TypeScript.
      tsconfigFile: 'none.json',
      disableTypeChecks: false,
      tempDirName: '.tmp/mutants/sandbox',
      ignorePatterns: ['.tmp', 'dist', 'docs', 'bench'],
      reporters: ['json', 'progress-append-only'],
      jsonReporter: { fileName: report },
      // A mutant that ends in a loop is found by its time. On a busy machine the others need some too.
      timeoutMS: 10_000,
    }),
  );
  const stryker = spawn(process.execPath, ['node_modules/@stryker-mutator/core/bin/stryker.js', 'run', config], {
    cwd: packageRoot,
    env: { ...process.env, MUTANTS_ROOM: room },
    stdio: ['ignore', 2, 2],
  });
  await once(stryker, 'exit');
  return JSON.parse(readFileSync(report, 'utf8')) as Report;
};

let isEnough = true;
for (const [name, { files, leastScore }] of Object.entries(rooms)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const some = files.filter((file, i) => i % shards === shard - 1 && file.includes(values.only));
  if (some.length === 0) continue;
  const report = await mutate(name, some);
  let [killed, explained, all] = [0, 0, 0];
  for (const [file, { source, mutants }] of Object.entries(report.files)) {
    const lines = source.split('\n');
    for (const { status, replacement, location } of mutants) {
      if (status === 'Ignored' || status === 'CompileError') continue;
      const line = lines[location.start.line - 1] ?? '';
      const isKilled = status === 'Killed' || status === 'Timeout' || status === 'RuntimeError';
      if (!isKilled && equivalent.has(`${file}: ${oneLine(line)} → ${oneLine(replacement)}`)) {
        explained += 1;
        continue;
      }
      all += 1;
      if (isKilled) killed += 1;
      else say(`survived ${file}:${location.start.line}\n- ${oneLine(line)}\n+ ${oneLine(replacement)}\n`);
    }
  }
  const score = all === 0 ? 100 : (100 * killed) / all;
  say(`${name}: ${killed} of ${all} killed, ${score.toFixed(1)} %; ${explained} that no one can see`);
  isEnough &&= score >= leastScore;
}
process.exitCode = isEnough ? 0 : 1;
