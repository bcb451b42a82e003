import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, linkSync, openSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import * as z from 'zod';
import type { PlannedAct, PlannedChange } from '../index.ts';
import { plannedChange } from '../options/plannedChange.ts';
import { visibleJson } from '../visible.ts';
import { readText } from './configFile.ts';
import { UsageError } from './usage.ts';

/** The first line of a plan. */
export interface PlanHeader {
  readonly kind: PlanKind;
  readonly namespace: string;
  /** Address of Redis, without user and password. */
  readonly redis: string;
  readonly createdAt: string;
}
export type PlanKind = 'sweep' | 'rescue';

/** A plan that is written line by line. It gets its name when it is complete. */
export interface PlanWriter {
  add(line: object): void;
  /** @throws UsageError if the file could not be written, or one of that name has come up meanwhile. */
  finish(): void;
  /** Leaves no file. Does nothing after `finish`. */
  discard(): void;
}

/** Version of the form of a plan file. */
const schema = 2;

/**
 * Begins a plan file that only its owner may read.
 * @throws UsageError if the file exists, unless it may be replaced, or cannot be written.
 */
export const writePlan = (path: string, header: PlanHeader, mayReplace: boolean): PlanWriter => {
  const refuse = () => {
    throw new UsageError(`${path}: exists already; give another name, or --force to replace it`);
  };
  const there = statSync(path, { throwIfNoEntry: false });
  if (!mayReplace && there !== undefined) refuse();
  // A device, for one, would be replaced by a file.
  if (there?.isFile() === false) throw new UsageError(`${path}: is no file; give another name`);
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const file = attempt(path, () => openSync(draft, 'wx', 0o600));
  let count = 0;
  let isOpen = true;
  let text = '';
  let fault: unknown;
  const flush = () => {
    for (let bytes = Buffer.from(text); bytes.length > 0; ) bytes = bytes.subarray(writeSync(file, bytes));
    text = '';
  };
  const write = (line: object) => {
    text += `${visibleJson(line)}\n`;
    if (text.length > 65_536) flush();
  };
  const close = () => {
    isOpen = false;
    closeSync(file);
  };
  write({ schema, type: 'plan', ...header });
  return {
    add(line) {
      count += 1;
      if (fault !== undefined) return;
      try {
        write(line);
      } catch (error) {
        // The pass goes on, and `finish` says what was wrong.
        fault = error;
      }
    },
    finish() {
      attempt(path, () => {
        if (fault !== undefined) throw fault;
        write({ type: 'end', count });
        flush();
      });
      close();
      if (mayReplace) return attempt(path, () => renameSync(draft, path));
      try {
        linkSync(draft, path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return attempt(path, () => renameSync(draft, path));
        refuse();
      } finally {
        if (existsSync(draft)) unlinkSync(draft);
      }
    },
    discard() {
      if (!isOpen) return;
      close();
      unlinkSync(draft);
    },
  };
};

const attempt = <T>(path: string, step: () => T): T => {
  try {
    return step();
  } catch (error) {
    throw new UsageError(`${path}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
};

const text = z.string().min(1);
const headerSchema = z.strictObject({
  schema: z.literal(schema, { error: `must be ${schema}: the plan is of another version of reaper` }),
  type: z.literal('plan', { error: 'must be plan' }),
  kind: z.enum(['sweep', 'rescue']),
  ...{ namespace: text, redis: text, createdAt: text },
});
const actSchema = z.object({
  verdict: z.enum(['fail', 'refire', 'reset', 'untrack']),
  ...{ id: z.string(), reason: text, fingerprint: text },
});
const endSchema = z.strictObject({ type: z.literal('end'), count: z.number().int() });

/** A plan that was read from a file. */
export interface PlanFile extends PlanHeader {
  /** Of a sweep. */
  readonly acts: readonly PlannedAct[];
  /** Of a rescue. */
  readonly changes: readonly PlannedChange[];
}

/**
 * Reads a plan.
 * @throws UsageError with the line that cannot be used, for a plan of another namespace, and for one that is not complete.
 */
export const readPlan = (path: string, namespace: string): PlanFile => {
  const lines = readText(path, path).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const parse = <Schema extends z.ZodType>(at: number, shape: Schema): z.output<Schema> => {
    const parsed = shape.safeParse(jsonOf(lines[at] ?? ''));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    if (issue?.path.length === 0 && issue.code === 'invalid_type')
      throw new UsageError(
        `${path}:${at + 1}: ${at === 0 ? 'the first line of a plan' : 'a line of a plan'}: must be a JSON object`,
      );
    const where = issue?.path.join('.') || (at === 0 ? 'the first line of a plan' : 'a line of a plan');
    throw new UsageError(`${path}:${at + 1}: ${where}: ${issue?.message}`);
  };
  const { kind, ...header } = parse(0, headerSchema);
  if (header.namespace !== namespace)
    throw new UsageError(`${path}:1: is a plan for the namespace ${header.namespace}, not ${namespace}`);
  const last = lines.length - 1;
  const end = last > 0 ? endSchema.safeParse(jsonOf(lines[last] as string)).data : undefined;
  const count = lines.length - 2;
  if (end?.count !== count) throw new UsageError(`${path}:${lines.length}: the plan is not complete: make another one`);
  const all = <Schema extends z.ZodType>(shape: Schema) => Array.from({ length: count }, (_, i) => parse(i + 1, shape));
  return kind === 'sweep'
    ? { kind, ...header, acts: all(actSchema) as PlannedAct[], changes: [] }
    : { kind, ...header, acts: [], changes: all(plannedChange) };
};

const jsonOf = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};
