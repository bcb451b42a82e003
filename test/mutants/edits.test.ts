import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { transform } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/package.ts';
import { allEdits, parseEdits, withEdit } from './edits.ts';
import { pureRooms } from './pureFiles.ts';

const all = Object.values(allEdits()).flat();

describe('the lists of edits', () => {
  test('each edit fits its file and changes it', () => {
    const faults = all.flatMap((edit) => {
      try {
        const text = readFileSync(packageRoot + edit.file, 'utf8');
        return withEdit(text, edit) === text ? [`${edit.file} is not changed by: ${edit.wrong}`] : [];
      } catch (error) {
        return [(error as Error).message];
      }
    });
    expect(faults).toEqual([]);
  });

  test('each edit of TypeScript compiles', async () => {
    const faults = await Promise.all(
      all
        .filter(({ file }) => /\.tsx?$/.test(file))
        .map(async (edit) => {
          const text = withEdit(readFileSync(packageRoot + edit.file, 'utf8'), edit);
          const loader = edit.file.endsWith('x') ? 'tsx' : 'ts';
          return transform(text, { loader, logLevel: 'silent' }).then(
            () => [],
            (error: Error) => [`${edit.file}: ${edit.wrong}: ${error.message}`],
          );
        }),
    );
    expect(faults.flat()).toEqual([]);
  });

  test('each edit names test files that exist', () => {
    const missing = all.filter(
      ({ tests }) => tests.length === 0 || tests.some((name) => !existsSync(`${packageRoot}test/${name}.test.ts`)),
    );
    expect(missing.map(({ file, wrong, tests }) => `${file}: ${wrong}: ${tests.join(' ')}`)).toEqual([]);
  });

  test('no edit is listed twice', () => {
    const names = all.map(({ file, before, after }) => `${file}: ${before} → ${after}`);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  test('every script, include and machine has edits', () => {
    const edited = new Set(all.map(({ file }) => file));
    const files = [
      ...readdirSync(`${packageRoot}lua`, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.lua'))
        .map((name) => `lua/${name}`),
      ...[
        ...[
          'supervisor',
          'supervisorSetup',
          'openPasses',
          'leader',
          'sweep',
          'sweepSetup',
          'rescueSetup',
          'rescuePass',
        ],
        ...['poolsSetup', 'poolSetup', 'adoption', 'waitingPools'],
        'rescueChanges',
        'pool',
        'job',
        'lane',
        'dispatcher',
        'endpoint',
        'verdict',
        'facts',
        'counts',
        'tally',
      ].map((name) => `src/machines/${name}.ts`),
    ];
    expect(files.filter((file) => !edited.has(file))).toEqual([]);
  });

  test('an edit that does not fit its file, or an unknown line, is an error', () => {
    const [edit] = parseEdits('file a\ntests b\n\n- x\n+ y\n: z\n', 'list');
    if (edit === undefined) throw new Error('the list has no edit');
    expect(withEdit('1 x 2', edit)).toBe('1 y 2');
    expect(() => withEdit('1 2', edit)).toThrow('0 times');
    expect(() => withEdit('x x', edit)).toThrow('2 times');
    expect(() => parseEdits('file a\n\n- x\n+ y\n', 'list')).toThrow('the edit has no description');
    expect(() => parseEdits('x', 'list')).toThrow('unknown line');
  });
});

test('the files that StrykerJS mutates exist', () => {
  const files = Object.values(pureRooms).flatMap((room) => room.files);
  expect(files.filter((file) => !existsSync(packageRoot + file))).toEqual([]);
});
