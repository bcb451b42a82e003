/**
 * `npm run mutants -- [LIST…]`: makes each edit of the lists in a copy of the project, one at a time, and runs the tests that
 * should fail. LIST is the name of a list or the beginning of names: `lua` selects all lists of that room. Prints one line for each
 * edit, then the survivors and the score of each list and room. A survivor is an edit that no test fails on.
 *
 * --only TEXT     edits of files whose path contains TEXT
 * --grep PATTERN  edits whose description matches PATTERN
 * --shard I/N     every Nth edit, starting with the Ith
 * --unedited      first runs the tests without any edit: a test that always fails proves nothing
 *
 * An edit that does not fit its file, does not compile, or keeps a test file from being loaded proves nothing. It is reported as
 * INVALID and not counted.
 *
 * Exits with 1 if an edit is invalid, or if the score of a room is below 90 % (`lua`, `machines`, `io`) or 80 % (the others).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { allEdits, type Edit, withEdit } from './edits.ts';
import { copyOfProject, createRunner } from './runner.ts';

const minScoreOf = (room: string) => (['lua', 'machines', 'io'].includes(room) ? 90 : 80);

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
const runner = await createRunner(copy);
const rooms = new Map<string, { killed: number; all: number }>();
let invalid = 0;
if (values.unedited) {
  const tests = new Set(lists.flatMap(({ edits }) => edits.flatMap((edit) => edit.tests)));
  const failure = await runner.failureOf([...tests]);
  if (failure !== undefined) throw new Error(`fails without an edit: ${failure}`);
}
for (const { list, edits } of lists) {
  const survivors: Edit[] = [];
  let killed = 0;
  for (const edit of edits) {
    if (edit.same !== undefined) continue;
    const began = performance.now();
    let failure: string | undefined;
    try {
      const text = withEdit(readFileSync(join(copy, edit.file), 'utf8'), edit);
      failure = await runner.failureWith(edit.file, text, edit.tests);
    } catch (error) {
      invalid += 1;
      say(`INVALID ${edit.file}: ${edit.wrong}: ${(error as Error).message.trim().replace(/\s+/g, ' ')}`);
      continue;
    }
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
if (invalid > 0) say(`${invalid} edits are INVALID: amend the lists`);
let isEnough = invalid === 0;
for (const [room, { killed, all }] of rooms) {
  say(`${room}: ${scoreOf(killed, all)}`);
  isEnough &&= 100 * killed >= minScoreOf(room) * all;
}
// With an edit, a test may leave a process or a timer that never ends. Vitest has set an exit code of its own, because tests failed.
process.exit(isEnough ? 0 : 1);
