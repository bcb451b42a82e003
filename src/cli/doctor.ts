import type { DoctorCheck, DoctorReport, Reaper } from '../index.ts';
import { print } from './shared.ts';
import { visible, visibleJson, wantsColors } from './text.ts';

const needsAttention = 3;

/** What the reaper depends on, a line each. Exit code 3 where something needs attention. */
export const doctor = async (reaper: Reaper, flags: { json?: boolean }): Promise<number> => {
  const report = await reaper.doctor();
  print(flags.json ? visibleJson({ schema: 1, type: 'doctor', ...report }) : textOf(report));
  return report.ok ? 0 : needsAttention;
};

const textOf = ({ namespace, redis, checks }: DoctorReport): string => {
  const colors = wantsColors(process.stdout);
  const attention = checks.filter(({ ok }) => !ok).length;
  return [
    visible(`namespace ${namespace} on ${redis}`),
    ...checks.map((check) => lineOf(check, colors)),
    attention === 0 ? 'everything is fine' : `${attention} of ${checks.length} checks need attention`,
  ].join('\n');
};

/** `ok  role       master`; what is not fine has a second line that says what to do. */
export const lineOf = ({ what, ok, detail, todo }: DoctorCheck, colors = false): string => {
  const mark = ok ? 'ok' : '!!';
  const shown = colors ? `\u001b[${ok ? 32 : 31}m${mark}\u001b[0m` : mark;
  const line = `${shown}  ${what.padEnd(9)}  ${visible(detail)}`;
  return todo === undefined ? line : `${line}\n               to do: ${visible(todo)}`;
};
