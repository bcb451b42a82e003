import type { createDoctor } from '../doctor/doctor.ts';
import { createStartCheck } from '../doctor/startCheck.ts';
import { ReaperError } from '../errors.ts';
import type { Deps } from '../io/redis/deps.ts';

/** Keeps passes from running where the reaper cannot work. */
export interface StartBlock {
  /** Why passes cannot run, or undefined. */
  reason(): Promise<string | undefined>;
  /** @throws ReaperError with the reason. */
  check(): Promise<void>;
}

/**
 * @param isChecked whether to check at all: a reaper that was not started, or that only plans, needs no right to write.
 * @param onChange called when the reason changes.
 */
export const createStartBlock = ({
  doctor,
  log,
  isChecked,
  onChange,
}: Pick<Deps, 'log'> & {
  doctor: ReturnType<typeof createDoctor>;
  isChecked: () => boolean;
  onChange: (reason: string | undefined) => void;
}): StartBlock => {
  const startCheck = createStartCheck(doctor, {
    onChange,
    onWarning: (check) => log.warn({ code: 'check', check }, check.detail),
  });
  const reason = async () => (isChecked() ? startCheck() : undefined);
  return {
    reason,
    async check() {
      const blocked = await reason();
      if (blocked !== undefined) throw new ReaperError('blocked', blocked);
    },
  };
};
