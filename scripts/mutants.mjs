// `npm run mutants -- [ROOM…]`: finds faults that no test fails on. A room is one of the lists in test/mutants/edits (`lua`,
// `machines`, …), or `ts` for the mutants of StrykerJS. Without a room, all of them run.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0;
const args = process.argv.slice(2);
const isPure = args[0] === 'ts';
const isAll = args.length === 0;

const areEditsKilled = isPure || run(process.execPath, ['--import', 'tsx', 'test/mutants/main.ts', ...args]);
const areOthersKilled = !(isPure || isAll) || run('npm', ['run', 'mutants:ts', '--', ...args.slice(1)]);
process.exitCode = areEditsKilled && areOthersKilled ? 0 : 1;
