import { type Command, InvalidArgumentError } from 'commander';
import * as z from 'zod';
import { countText } from '../ages.ts';
import type { AuditEntry, AuditFilter, Reaper } from '../index.ts';
import { age, nonEmpty } from './arguments.ts';
import { configOf, reaperOf } from './config.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { withProgress } from './progress.ts';
import { once } from './signals.ts';
import { type Cell, finish, print, printJson, printTable, timeOf } from './text.ts';

export const registerAudit = (program: Command): void => {
  const command = program
    .command('audit')
    .description('what was done: every act of every pass and command, by all hosts, the newest first')
    .option('--id <job>', 'acts on this job', nonEmpty)
    .option('--pool <pool>', 'acts on this pool', nonEmpty)
    .option('--who <name>', 'acts of this host, host:process or person', nonEmpty)
    .option('--since <time>', 'from this ISO time, or this long ago, such as 2h', timeOrAge)
    .option('--until <time>', 'to this ISO time, or this long ago', timeOrAge)
    .option('--limit <count>', 'how many; 100 if no limit and no time is given', positive);
  withProgress(command, 'reading the audit stream');
  withExamples(command, {
    'the last 100 acts': 'reaper audit',
    'what was done with a job, and when': 'reaper audit --id 0f8fad5bd9cb469fa16570a1',
    'what a person did in the last two hours, as JSON lines': 'reaper audit --who ann --since 2h --json',
  });
  withOptions(command, 'redis').action(async (flags: AuditFlags) => {
    const reaper = reaperOf(configOf(command));
    finish(await once(reaper, () => listAudit(reaper, flags)));
  });
};

interface AuditFlags extends AuditFilter {
  readonly json?: boolean;
}

/** A time, or an age such as `2h` before now. */
const timeOrAge = (text: string): Date => {
  // Nothing is older than 1970, and an age can be longer than a date can say.
  if (!/^\d{4}-/.test(text)) return new Date(Math.max(0, Date.now() - age(text)));
  // `Date` reads the 31st of a shorter month as a day of the next one.
  if (z.iso.date().safeParse(text.slice(0, 10)).success && !Number.isNaN(Date.parse(text))) return new Date(text);
  throw new InvalidArgumentError('It must be an ISO time such as 2026-01-31T12:00Z, or an age such as 2h.');
};

const positive = (text: string): number => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1.');
};

/** Entries of the audit stream: each as a JSON line, or in a table. */
export const listAudit = async (reaper: Reaper, { json, ...given }: AuditFlags): Promise<number> => {
  const { id, pool, who, since, until, limit } = given;
  const bound = limit ?? (since === undefined && until === undefined ? 100 : undefined);
  const filter = Object.fromEntries(
    Object.entries({ id, pool, who, since, until, limit: bound }).filter(([, value]) => value !== undefined),
  ) as AuditFilter;
  let count = 0;
  for await (const page of reaper.audit.list(filter)) {
    count += page.length;
    if (json) for (const entry of page) printJson(lineOf(entry));
    else printTable(['entry', 'what', 'of what', 'why, by'], page.map(rowOf));
  }
  if (!json && count === 0) print('no act is recorded');
  return 0;
};

/** `type` says what a line is, so the job type has another name. */
const lineOf = ({ type, ...entry }: AuditEntry): object => ({
  type: 'audit',
  ...entry,
  ...(type === undefined ? {} : { jobType: type }),
});

const rowOf = (entry: AuditEntry): Cell[] => {
  const { id, at, who, pass, what, why } = entry;
  return [[id, timeOf(at)], what, linesOf(subjectOf(entry), changeOf(entry)), linesOf(why, who, pass)];
};

/** Without empty lines. */
const linesOf = (...lines: string[]): string[] => lines.filter((line) => line !== '');

/** The job, or how many; the pool and the type. */
const subjectOf = ({ job, count, jobs, pool, type, of }: AuditEntry): string =>
  [
    ...(of === undefined ? [] : [of]),
    ...(job === undefined ? [] : [job]),
    ...(count === undefined ? [] : [`${countText(count)} × ${jobs?.[0] ?? ''}${count > 1 ? ', …' : ''}`]),
    ...(pool === undefined ? [] : [`pool ${pool}`]),
    ...(type === undefined ? [] : [type]),
  ].join(' ');

/** Such as `status Running → Error`. Times, acknowledgements and digests are in `--json`. */
const changeOf = ({ was, is }: AuditEntry): string =>
  Object.entries(is)
    .filter(([name]) => !['update_time', 'ack', 'record'].includes(name))
    .map(([name, value]) => `${name} ${(Object.hasOwn(was, name) ? was[name] : null) ?? 'none'} → ${value ?? 'none'}`)
    .join(', ');
