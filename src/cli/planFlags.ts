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
  const { redis = defaultRedis, namespace } = options;
  const header = {
    kind,
    namespace: String(namespace),
    redis: withoutSecrets(redis),
    createdAt: new Date().toISOString(),
  };
  return writePlan(out, header, force === true);
};

/** Scheme, hosts and database of a URL, which was checked before. */
const withoutSecrets = (redis: unknown): string => {
  const [, scheme = '', rest = '-'] = /^([a-z+]+:\/\/)(?:[^/?#]*@)?([^?#]*)/.exec(String(redis)) ?? [];
  return `${scheme}${rest}`;
};
