import type { DoctorCheck, DoctorReport, Reaper } from '../index.ts';
import { visible } from '../visible.ts';
import { paint, print, printJson, printPainted, wantsColors } from './text.ts';

const needsAttention = 3;

/** What the reaper depends on, a line each. Exit code 3 where something needs attention. */
export const doctor = async (reaper: Reaper, flags: { json?: boolean }): Promise<number> => {
  const report = await reaper.doctor();
  if (flags.json) printJson({ schema: 1, type: 'doctor', ...report });
  else show(report);
  return report.ok ? 0 : needsAttention;
};

const show = ({ namespace, redis, checks }: DoctorReport): void => {
  const attention = checks.filter(({ ok }) => !ok).length;
  print(`namespace ${namespace} on ${redis}`);
  for (const check of checks) printCheck(check, process.stdout);
  print(attention === 0 ? 'everything is fine' : `${attention} of ${checks.length} checks need attention`);
};

/** `ok  role       master`; what is not fine has a second line that says what to do. */
export const lineOf = ({ what, ok, detail, todo }: DoctorCheck, colors = false): string => {
  const mark = ok ? 'ok' : '!!';
  const line = `${colors ? paint(mark, ok) : mark}  ${what.padEnd(9)}  ${visible(detail)}`;
  return todo === undefined ? line : `${line}\n               to do: ${visible(todo)}`;
};

export const printCheck = (check: DoctorCheck, stream: NodeJS.WriteStream): void =>
  printPainted(lineOf(check, wantsColors(stream)), stream);
