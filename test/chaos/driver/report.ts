/** What a person is told of a run. */
import { planOf, wordsOf } from './plan.ts';
import type { RunReport } from './run.ts';

/** One line, whatever came of it. */
export const lineOf = ({ seed, breaches, tookMs, runs, cutOff, excused, done }: RunReport): string => {
  const result = breaches.length === 0 ? 'ok' : `FAILED (${breaches.length})`;
  const seconds = (tookMs / 1_000).toFixed(1);
  return `seed ${seed}: ${result}, ${seconds} s; ${done.length} acts, ${runs} runs, ${cutOff} cut off, ${excused} at once by a host that slept`;
};

/** All that helps to understand a failure: what is wrong, what was planned, and what happened in the order of time. */
export const textOf = (report: RunReport): string => {
  const { seed, breaches, startedAt, done, notes } = report;
  const jobs = new Set(breaches.flatMap(({ job }) => (job === undefined ? [] : [job])));
  const moments = [
    ...done.map(({ at, text }) => ({ at, text: `DRIVER ${text}` })),
    ...notes.flatMap((note) => {
      if (note.what === 'said') return [{ at: note.at, text: `${note.process}: ${note.text}` }];
      if (!jobs.has(note.job)) return [];
      if (note.what === 'acted') return [{ at: note.at, text: `${note.process}: ${note.job}: ${note.text}` }];
      const text = note.what === 'begin' ? `began, asked at ${note.askedAt - startedAt} ms` : `ended: ${note.outcome}`;
      return [{ at: note.at, text: `${note.process}: ${note.job} (${note.run}) ${text}` }];
    }),
  ].sort((a, b) => a.at - b.at);
  const lineAt = (ms: number, text: string) => `  ${String(ms).padStart(6)} ms  ${text}`;
  const plan = planOf(seed);
  return [
    `seed ${seed}: what is wrong`,
    ...breaches.map(({ text }) => `  ${text}`),
    `seed ${seed}: the jobs that it is about, as planned`,
    ...plan.jobs
      .filter(({ id }) => jobs.has(id))
      .map(({ atMs, id, type, workMs, hasHook }) =>
        lineAt(atMs, `${id} ${type}, ${workMs} ms${hasHook ? ', a hook' : ''}`),
      ),
    `seed ${seed}: the schedule, which \`npm run chaos -- --seed ${seed}\` makes again`,
    ...plan.acts.map(({ atMs, act }) => lineAt(atMs, wordsOf(act))),
    `seed ${seed}: what was done and seen when`,
    ...moments.map(({ at, text }) => lineAt(at - startedAt, text)),
  ].join('\n');
};
