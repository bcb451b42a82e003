// Everything that `npm test` checks, once there is what it needs: format and lint, and types, side by side; then the
// tests, which get the arguments. Plain Node.
import { spawn, spawnSync } from 'node:child_process';

const checks = [
  ['biome', 'check', '.'],
  ['tsc', '-p', 'tsconfig.json', '--noEmit'],
  ['tsc', '-p', 'visualize/page/tsconfig.json'],
  ['tsc', '-p', 'test/browser/tsconfig.json'],
];

/** @returns whether it found nothing. What it says is written in one piece. */
const check = ([command, ...args]) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk));
    child.once('error', (error) => said.push(`${error.message}\n`));
    child.once('close', (code) => {
      process.stderr.write(`${[command, ...args].join(' ')}: ${code === 0 ? 'ok' : 'failed'}\n`);
      process.stderr.write(Buffer.concat(said.map((chunk) => Buffer.from(chunk))));
      resolve(code === 0);
    });
  });

const results = await Promise.all(checks.map(check));
if (results.includes(false)) process.exit(1);
const { status } = spawnSync('vitest', ['run', ...process.argv.slice(2)], { stdio: 'inherit' });
process.exit(status ?? 1);
