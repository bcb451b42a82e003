/** How a status is laid out: what is wrong first, then tables that fit the terminal. */
import stringWidth from 'string-width';
import { expect, test } from 'vitest';
import { statusLines } from '../../src/cli/statusView.ts';
import type { Problem } from '../../src/index.ts';
import { earlier, namespaceState, poolState, queueState } from '../support/namespaceState.ts';

const problem = (name: string, fields: Partial<Problem> = {}): Problem => ({
  ...{ code: 'dead-pool', severity: 'critical', subject: { kind: 'pool', name }, counts: {} },
  ...{ message: `pool ${name}: dead`, command: 'reaper rescue' },
  ...fields,
});

test('what is wrong comes first, each with its command', () => {
  const long = `pool ${'x'.repeat(60)}: dead`;
  const problems = [
    problem('p'),
    problem('q', { severity: 'warning', message: long }),
    problem('r', { severity: 'notice', command: undefined }),
  ];
  expect(statusLines(namespaceState({ problems }), {}).slice(0, 6)).toEqual([
    'namespace {t} on 127.0.0.1:6379/2, 2026-11-24T03:00:00Z',
    '!! pool p: dead → reaper rescue',
    ` ! ${long}`,
    '   → reaper rescue',
    '   note: pool r: dead',
    '',
  ]);
});

test('a healthy namespace says so, also if something is worth knowing', () => {
  expect(statusLines(namespaceState(), {})[1]).toBe('no problems');
  const problems = [problem('r', { severity: 'notice' })];
  expect(statusLines(namespaceState({ problems }), {}).slice(1, 3)).toEqual([
    'no problems',
    '   note: pool r: dead → reaper rescue',
  ]);
});

test('a thousand problems of one kind do not hide the others', () => {
  const problems = [
    ...Array.from({ length: 1_000 }, (_, i) => problem(`p${i}`)),
    problem('last', { code: 'no-leader' }),
  ];
  const lines = statusLines(namespaceState({ problems }), {});
  expect(lines.slice(10, 14)).toEqual([
    '!! pool p9: dead → reaper rescue',
    '!! pool last: dead → reaper rescue',
    '   and 990 more of dead-pool: --json lists all',
    '',
  ]);
});

test('critical problems are red on a terminal with colours', () => {
  const problems = [problem('p'), problem('q', { severity: 'warning' })];
  const lines = statusLines(namespaceState({ problems }), { width: 80, colors: true });
  expect(lines.slice(1, 3)).toEqual([
    '\u001b[31m!!\u001b[0m pool p: dead → reaper rescue',
    ' ! pool q: dead → reaper rescue',
  ]);
});

const busy = namespaceState({
  queues: [
    queueState('EMPTY'),
    queueState('SYSTEM_ARTIFACT_CLEANUP_WITH_A_LONG_NAME_日本語', {
      queued: 5,
      oldestAgeMs: 183_600_000,
      isPaused: true,
    }),
    queueState('IMAGE_SCAN', { queued: 34_200, running: 3, inProgress: 3, lock: 20_517, maxConcurrency: 200 }),
  ],
  pools: [
    poolState('idle'),
    poolState('a'.repeat(40), { host: 'harbor-jobservice-5d9f7c6b4-x2x7q.registry.svc', busy: 7, inProgress: 7 }),
    poolState('left', { isAlive: false, heartbeatAgeMs: -7_200_000 }),
    poolState('dead', { isAlive: false, inProgress: 1, concurrency: undefined, heartbeatAgeMs: undefined }),
  ],
  hooks: {
    ...{ pending: 5, parked: 0, oldestAttemptAt: earlier(3_600_000) },
    endpoints: [
      {
        ...{ endpoint: 'https://harbor-core.registry.svc.cluster.local:8443', pending: 5, breaker: 'open' },
        ...{ failures: 12_345, failingSinceAt: earlier(93_600_000), answer: '503', waitMs: 1 },
      },
    ],
  },
});
/** The cells of the row that contains a text. */
const rowOf = (lines: readonly string[], text: string) =>
  lines
    .find((line) => line.startsWith('│') && line.includes(text))
    ?.split('│')
    .slice(1, -1)
    .map((cell) => cell.trim());

test('tables show queues by length, dead pools with entries first, and endpoints', () => {
  const lines = statusLines(busy, {});
  expect(rowOf(lines, 'IMAGE_SCAN')).toEqual(['IMAGE_SCAN', '34,200', '-', '3', '20,517', '200', '']);
  expect(rowOf(lines, 'SYSTEM_')?.slice(1)).toEqual(['5', '2 d 3 h', '0', '0', '-', 'paused']);
  expect(rowOf(lines, 'harbor-job')?.slice(1)).toEqual([
    ...['alive', 'harbor-jobservice-5d9f7c6b4-x2x7q.registry.svc', '1', '2 s', '7 of 10', '7'],
  ]);
  expect(rowOf(lines, 'dead')).toEqual(['dead', 'dead', 'h', '1', 'none', '0', '1']);
  expect(rowOf(lines, 'left')?.[4]).toBe('2 h ahead');
  expect(rowOf(lines, 'https')?.slice(1)).toEqual(['open', '12,345', '1 d 2 h', '503', '5']);
  const names = lines.filter((line) => line.startsWith('│')).map((line) => line.slice(2, 12).trim());
  expect(names).toEqual([
    ...[
      'type',
      'IMAGE_SCAN',
      'SYSTEM_ART',
      'EMPTY',
      'pool',
      'dead',
      'aaaaaaaaaa',
      'idle',
      'left',
      'endpoint',
      'https://ha',
    ],
  ]);
});

test('counts are grouped, and a process id is none', () => {
  const state = namespaceState({
    tracked: { ...namespaceState().tracked, total: 50_000, byStatus: { Running: 45_848 }, refireWithHook: 6_939 },
    hooks: { ...namespaceState().hooks, pending: 6_939 },
    ...{ retry: 1_000, scheduled: 2_000, dead: 3_000, quarantined: 4_000 },
    leader: { ...namespaceState().leader, isSweeping: true, scanned: 12_000, total: 50_000 },
    pools: [poolState('p', { pid: 12_345, busy: 1_000, concurrency: 2_000, inProgress: 1_001 })],
  });
  const text = statusLines(state, {}).join('\n');
  for (const part of [
    ...['tracked: 50,000 (45,848 Running)', 'or parked: 6,939', 'hooks: 6,939 pending, 0 parked'],
    ...['12,000 of 50,000 scanned', 'retry 1,000, scheduled 2,000, dead 3,000, in quarantine 4,000'],
  ])
    expect(text).toContain(part);
  expect(rowOf(text.split('\n'), ' p ')?.slice(3)).toEqual(['12345', '2 s', '1,000 of 2,000', '1,001']);
});

test('a type shows why its jobs do not run', () => {
  const problems = [problem('X', { code: 'blocked-by-lock', subject: { kind: 'type', name: 'X' } })];
  const queues = [queueState('X', { queued: 1, isPaused: true, livePools: 0 }), queueState('Y', { livePools: 0 })];
  const lines = statusLines(namespaceState({ queues, problems }), {});
  expect([rowOf(lines, 'X ')?.at(-1), rowOf(lines, 'Y ')?.at(-1)]).toEqual(['blocked, paused, no pool', '']);
  const full = [problem('X', { code: 'at-cap', severity: 'notice', subject: { kind: 'type', name: 'X' } })];
  expect(rowOf(statusLines(namespaceState({ queues, problems: full }), {}), 'X ')?.at(-1)).toMatch(/^at cap, /);
});

test.each([80, 100])('tables fit %d columns, however long the names are', (width) => {
  const tables = statusLines(busy, { width }).filter((line) => /^[│┌├└]/.test(line));
  expect(Math.max(...tables.map((line) => stringWidth(line)))).toBeLessThanOrEqual(width);
  expect(tables.join('\n')).toContain('…');
  for (const whole of ['34,200', '20,517', '2 d 3 h', '12,345']) expect(tables.join('\n')).toContain(` ${whole} `);
});

test('no line of a watch is wider than the terminal', () => {
  const problems = [problem('x'.repeat(200)), problem('日'.repeat(200))];
  const state = { ...busy, problems, unreadable: [`k: ${'y'.repeat(200)}`], namespace: 'n'.repeat(200) };
  const widths = (options: object) => statusLines(state, options).map((line) => stringWidth(line));
  expect(Math.max(...widths({ width: 80, isCut: true }))).toBeLessThanOrEqual(80);
  expect(Math.max(...widths({ width: 80 }))).toBeGreaterThan(200);
});

test('on a terminal lines wrap at spaces, and commands do not', () => {
  const message = `http://core.example: circuit open for 20 h (5,312 failures, last connect), 6,939 hooks wait`;
  const command = `reaper hooks list ${'--endpoint http://core.example '.repeat(4)}`;
  const problems = [problem('e', { message, command, severity: 'warning' })];
  const byStatus = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`status-${i}`, i]));
  const state = namespaceState({ problems, tracked: { ...namespaceState().tracked, byStatus } });
  const lines = statusLines(state, { width: 80 });
  expect(lines.slice(1, 4)).toEqual([
    ' ! http://core.example: circuit open for 20 h (5,312 failures, last connect),',
    '   6,939 hooks wait',
    `   → ${command}`,
  ]);
  expect(Math.max(...lines.toSpliced(3, 1).map((line) => stringWidth(line)))).toBeLessThanOrEqual(80);
  expect(lines.find((line) => line.startsWith('tracked:'))).not.toContain('status-8');
  expect(statusLines(state, {}).find((line) => line.startsWith('tracked:'))).toContain('8 status-8');
});

test('long tables end with the number of rows that are left out', () => {
  const pools = Array.from({ length: 45 }, (_, i) => poolState(`p${i}`));
  const queues = Array.from({ length: 1_234 }, (_, i) => queueState(`T${i}`));
  const lines = statusLines(namespaceState({ pools, queues }), {});
  expect(lines).toContain('and 15 more pools: --json lists all');
  expect(lines).toContain('and 1,204 more types: --json lists all');
});
