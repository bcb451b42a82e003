import { blockOf, type createDoctor } from './doctor.ts';
import type { DoctorCheck } from './report.ts';

/**
 * Checks before the first scheduled pass whether the reaper can work here. Each pass checks again until it can. Resolves to the
 * reason why it cannot, or undefined.
 *
 * @param onChange called when the reason changes.
 * @param onWarning called once for each check that is not fine but does not block.
 */
export const createStartCheck = (
  doctor: ReturnType<typeof createDoctor>,
  { onChange, onWarning }: { onChange: (block: string | undefined) => void; onWarning: (check: DoctorCheck) => void },
): (() => Promise<string | undefined>) => {
  let last: string | undefined;
  let current: Promise<string | undefined> | undefined;

  const check = async () => {
    const report = await doctor({ essential: true });
    // A replica may soon be the master again: the preflight of each pass checks that.
    const reason = blockOf(report.checks.filter(({ what }) => what !== 'role'));
    const block = reason === undefined ? undefined : `this reaper cannot work: ${reason}`;
    if (block !== last) onChange(block);
    last = block;
    if (block === undefined)
      for (const one of report.checks.filter(({ ok, isBlocking }) => !ok && !isBlocking)) onWarning(one);
    return block;
  };

  return () => {
    // Passes that begin at the same time share a check. A check without a block is final.
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
