// The checks of `npm test`, after the setup: format, lint and types at the same time, then the tests, which get the
// arguments. Plain Node.
import { spawn, spawnSync } from 'node:child_process';

// Several threads of a compiler check the same libraries, each for itself: in one thread it takes half of the processor time.
const checks = [
  ['biome', 'check', '.'],
  ['tsc', '-p', 'tsconfig.json', '--noEmit', '--singleThreaded'],
  ['tsc', '-p', 'visualize/page/tsconfig.json', '--singleThreaded'],
  ['tsc', '-p', 'test/browser/tsconfig.json', '--singleThreaded'],
];

/** Runs a check and returns whether it passed. Its output is written in one piece. */
const check = ([command, ...args]) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
    child.once('error', (error) => output.push(`${error.message}\n`));
    child.once('close', (code) => {
      process.stderr.write(`${[command, ...args].join(' ')}: ${code === 0 ? 'ok' : 'failed'}\n`);
      process.stderr.write(Buffer.concat(output.map((chunk) => Buffer.from(chunk))));
      resolve(code === 0);
    });
  });

const results = await Promise.all(checks.map(check));
if (results.includes(false)) process.exit(1);
const { status } = spawnSync('vitest', ['run', ...process.argv.slice(2)], { stdio: 'inherit' });
process.exit(status ?? 1);
