import { ReaperError } from '../errors.ts';
import type { Preflight } from '../io/pools/preflight.ts';

/** @throws ReaperError that says why no pool may be judged now. */
export const ensureRunnable = async (preflight: Pick<Preflight, 'run'>, plan: boolean) => {
  const state = await preflight.run(plan);
  if ('blocked' in state) throw new ReaperError('suspended', state.blocked.message);
  return state;
};
