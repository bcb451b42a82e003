import { blockOf, type createDoctor } from './doctor.ts';
import type { DoctorCheck } from './report.ts';

/**
 * Asks, before the first scheduled pass, whether the reaper can work here: each pass asks again until it can. Resolves with
 * what keeps it from working, or undefined.
 *
 * @param onChange told when what keeps it from working changes.
 * @param onWarning told of each other check that is not fine, once.
 */
export const createStartCheck = (
  doctor: ReturnType<typeof createDoctor>,
  { onChange, onWarning }: { onChange: (block: string | undefined) => void; onWarning: (check: DoctorCheck) => void },
): (() => Promise<string | undefined>) => {
  let last: string | undefined;
  let current: Promise<string | undefined> | undefined;

  const check = async () => {
    const report = await doctor({ essential: true });
    // A replica may be the master again in a moment: the preflight of each pass sees to that.
    const reason = blockOf(report.checks.filter(({ what }) => what !== 'role'));
    const block = reason === undefined ? undefined : `this reaper can not work: ${reason}`;
    if (block !== last) onChange(block);
    last = block;
    if (block === undefined)
      for (const one of report.checks.filter(({ ok, isBlocking }) => !ok && !isBlocking)) onWarning(one);
    return block;
  };

  return () => {
    // Passes that begin at once share a check; one that was passed stands.
    current ??= check().then(
      (block) => {
        if (block !== undefined) current = undefined;
        return block;
      },
      (error) => {
        current = undefined;
        throw error;
      },
    );
    return current;
  };
};
