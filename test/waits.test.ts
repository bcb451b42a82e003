/** Fault 131: no test sleeps, and no test asserts a duration. See "Waits" in test/README.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const folder = fileURLToPath(new URL('./', import.meta.url));
/** The chaos driver causes faults at scheduled times, and asserts no times. */
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  (file) => /\.tsx?$/.test(file) && !file.startsWith('chaos/driver/') && file !== 'waits.test.ts',
);
const filesWith = (pattern: RegExp) => files.filter((file) => pattern.test(readFileSync(`${folder}${file}`, 'utf8')));

test('fault 131: only these files read elapsed time', () => {
  expect(filesWith(/performance\.now|cpuUsage|resourceUsage|hrtime/).sort()).toEqual([
    'mutants/main.ts', // The command prints how long the tests of an edit took.
    'redis/pools/preflight.test.ts', // A monotonic clock that jumps, and an event loop that is held up.
    'support/clock.ts', // The end of a wait that hangs.
  ]);
});

test('fault 131: no test sleeps', () => {
  const sleep = /setTimeout as \w+ \} from 'node:timers\/promises'|new Promise[^;]*\bsetTimeout\(/;
  expect(filesWith(sleep)).toEqual(['hooks/host.ts']); // A worker that waits for a job.
});

test('fault 131: no wait has its own time-out', () => {
  const ownTimeout =
    /^ {0,2}\}, [\d_]{4,}\);$|^ +[\d_]{4,},\n {0,2}\);$|\.poll\([^;]*\btimeout\b|setDefaultTimeout\(\d/m;
  expect(filesWith(ownTimeout)).toEqual([]);
});
