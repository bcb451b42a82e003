// `npm run mutants -- [ROOM…]`: which faults no test fails on. The rooms are those of the lists in test/mutants/edits (`lua`,
// `machines`, …), and `ts` for those that StrykerJS makes. Without any, all of them.
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
