/** Fault 131: no test sleeps, and none asserts how long something took: see "Waits in tests" in CONTRIBUTING.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const folder = fileURLToPath(new URL('./', import.meta.url));
/** The chaos driver makes faults at times of a schedule, and asserts nothing of them. */
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  (file) => /\.tsx?$/.test(file) && !file.startsWith('chaos/driver/') && file !== 'waits.test.ts',
);
const filesWith = (pattern: RegExp) => files.filter((file) => pattern.test(readFileSync(`${folder}${file}`, 'utf8')));

test('fault 131: what time it takes is read where a clock is made or stands still, and nowhere else', () => {
  expect(filesWith(/performance\.now|cpuUsage|resourceUsage|hrtime/).sort()).toEqual([
    'mutants/main.ts', // The command says how long the tests of an edit took.
    'redis/preflight.test.ts', // A monotonic clock that jumps, and an event loop that is held up.
    'support/clock.ts', // The end of a wait that hangs.
  ]);
});

test('fault 131: no test sleeps', () => {
  const sleep = /setTimeout as \w+ \} from 'node:timers\/promises'|new Promise[^;]*\bsetTimeout\(/;
  expect(filesWith(sleep)).toEqual(['hooks/host.ts']); // A worker that finds no job.
});

test('fault 131: no test ends a wait sooner than any other', () => {
  const ownTimeout = /^ {0,2}\}, [\d_]{4,}\);$|\.poll\([^;]*\btimeout\b|setDefaultTimeout\(\d/m;
  expect(filesWith(ownTimeout)).toEqual([]);
});
