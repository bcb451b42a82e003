/** The report of a run. */
import { type FaultKind, faultKinds, wordsOf } from './acts.ts';
import type { RunReport } from './run.ts';

/** One line for each run. */
export const lineOf = (report: RunReport): string => {
  const { plan, breaches, tookMs, runs, cutOff, excused, done, settled, refused } = report;
  const result = breaches.length === 0 ? 'ok' : `FAILED (${breaches.length})`;
  const counts = [
    `${done.length} acts`,
    `${runs} runs`,
    `${cutOff} cut off`,
    `${excused} at once by a host taken for dead`,
    `${settled.extraJobs} extra jobs`,
    `${settled.endedPools} hosts ended`,
    ...(refused > 0 ? [`${refused} reapers restarted`] : []),
  ];
  return `seed ${plan.seed}: ${result}, ${(tookMs / 1_000).toFixed(1)} s; ${counts.join(', ')}; ${[...plan.kinds].join(' ')}`;
};

/** How many runs had each kind of fault. */
export const textOfKinds = (counts: ReadonlyMap<FaultKind, number>): string =>
  faultKinds.map((kind) => `${kind} ${counts.get(kind) ?? 0}`).join(', ');

/** Maximum number of breaches in a report. */
const maxBreaches = 60;

/** The complete report: the breaches, the plan, and what happened, in the order of time. */
export const textOf = (report: RunReport): string => {
  const { plan, breaches, startedAt, done, notes } = report;
  const { seed } = plan;
  const jobs = new Set(breaches.slice(0, maxBreaches).flatMap(({ job }) => (job === undefined ? [] : [job])));
  const moments = [
    ...done.map(({ at, text }) => ({ at, text: `DRIVER ${text}` })),
    ...notes.flatMap((note) => {
      if (note.what === 'detail') return [{ at: note.at, text: `${note.process}: ${note.text}` }];
      if (note.what === 'pass') {
        const { at, process, pass, scanned, error } = note;
        const judged = scanned === undefined ? '' : ` of ${scanned} jobs`;
        return error === undefined ? [] : [{ at, text: `${process}: ${pass}${judged}: ${error}` }];
      }
      if (note.what === 'beat' || !jobs.has(note.job)) return [];
      if (note.what === 'act') return [{ at: note.at, text: `${note.process}: ${note.job}: ${note.text}` }];
      const text =
        note.what === 'begin'
          ? `began, requested at ${note.askedAt - startedAt} ms`
          : note.what === 'end'
            ? 'ended'
            : `status: ${note.outcome}`;
      return [{ at: note.at, text: `${note.process}: ${note.job} (${note.run}) ${text}` }];
    }),
  ].sort((a, b) => a.at - b.at);
  const lineAt = (ms: number, text: string) => `  ${String(ms).padStart(6)} ms  ${text}`;
  return [
    `seed ${seed}: breaches`,
    ...breaches.slice(0, maxBreaches).map(({ text }) => `  ${text}`),
    ...(breaches.length > maxBreaches ? [`  and ${breaches.length - maxBreaches} more`] : []),
    `seed ${seed}: the affected jobs, as planned`,
    ...plan.jobs
      .filter(({ id }) => jobs.has(id))
      .map(({ atMs, id, type, workMs, hasHook, cut, observation }) => {
        const met = cut === undefined ? '' : `, cut when ${cut.at} for ${cut.forMs} ms`;
        const seen = observation === undefined ? '' : `, observation ${observation}`;
        return lineAt(atMs, `${id} ${type}, ${workMs} ms${hasHook ? ', a hook' : ''}${met}${seen}`);
      }),
    `seed ${seed}: clock offsets ${JSON.stringify(plan.clockOffsets)} s; ${plan.sentinel ? `sentinels ${JSON.stringify(plan.sentinel)}` : 'no sentinels'}`,
    `seed ${seed}: the schedule (\`npm run chaos -- --seed ${seed}\` repeats it)`,
    ...plan.acts.map(({ atMs, act }) => lineAt(atMs, wordsOf(act))),
    `seed ${seed}: what happened`,
    ...moments.map(({ at, text }) => lineAt(at - startedAt, text)),
  ].join('\n');
};
