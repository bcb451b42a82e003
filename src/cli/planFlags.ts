import type { Config } from './config.ts';
import { defaultRedis } from './options.ts';
import { type PlanKind, type PlanWriter, writePlan } from './planFile.ts';
import { UsageError } from './usage.ts';

/** Flags of a command that can plan. */
export interface PlanFlags {
  readonly plan?: boolean;
  readonly exitCode?: boolean;
  readonly out?: string;
  readonly force?: boolean;
}

/** @throws UsageError for a flag that means nothing without another one. */
export const refusePlanFlags = ({ plan, exitCode, out, force }: PlanFlags): void => {
  if (exitCode && !plan) throw new UsageError('--exit-code: use it with --plan');
  if (out !== undefined && !plan) throw new UsageError('--out: use it with --plan');
  if (force && out === undefined) throw new UsageError('--force: use it with --plan --out');
};

/** The file that a plan is written into; undefined without `--out`. */
export const planWriterOf = (
  kind: PlanKind,
  { out, force }: PlanFlags,
  { options }: Pick<Config, 'options'>,
): PlanWriter | undefined => {
  if (out === undefined) return undefined;
  const header = {
    kind,
    namespace: String(options.namespace),
    redis: addressIn(options),
    createdAt: new Date().toISOString(),
  };
  return writePlan(out, header, force === true);
};

/** Scheme, hosts and database of the Redis of a command, whose URL was checked before. */
export const addressIn = ({ redis = defaultRedis }: Config['options']): string => {
  const [, scheme = 'redis://', rest = ''] = /^([a-z+]+:\/\/)?(?:[^/?#]*@)?([^?#]*)/i.exec(String(redis).trim()) ?? [];
  return `${scheme.toLowerCase()}${rest}`;
};
