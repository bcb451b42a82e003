import type { Command } from 'commander';
import { type DoctorReport, type Reaper, type ReaperEvents, UnusableRedisError } from '../index.ts';
import { address } from './arguments.ts';
import { type Config, configOf, httpOf, inspectorOf, type ReaperDefaults, reaperOf, settingsOf } from './config.ts';
import { printCheck } from './doctor.ts';
import { withExamples } from './help.ts';
import { leftHooks } from './leftHooks.ts';
import { createLog } from './log.ts';
import { withOptions } from './options.ts';
import { reloadOnHangup } from './reload.ts';
import { type Signals, stopOnSignals } from './signals.ts';
import { complain, finish, printJson } from './text.ts';
import { UsageError } from './usage.ts';

export const registerRun = (program: Command): void => {
  const command = program.command('run').description('sweep and rescue until stopped, beside a running jobservice');
  command
    .option('--inspect [host:port]', 'open the inspector (default: 127.0.0.1:7331; with --http: there)', address)
    .option('--http <host:port>', 'serve /livez, /readyz and /metrics (PORT alone: on loopback)', address);
  withExamples(command, {
    'sweep every 30 minutes': 'reaper run --namespace "{harbor_job_service_namespace}" --sweep-interval 30m',
    'run with probes and metrics, and a config file': 'reaper run --http 0.0.0.0:9464 --config /etc/reaper/reaper.yaml',
    'log what would be done, with the inspector open': 'reaper run --plan --inspect',
  });
  withOptions(command, 'redis', 'schedule', 'plan', 'judging', 'sweep', 'rescue', 'hooks', 'audit', 'inspector').action(
    async ({ inspect, http, json }: RunFlags) => {
      const load = () => {
        const config = configOf(command);
        const own = defaultsOf(config, { inspect, http });
        return { config, own, settings: settingsOf(config, own), logLevel: config.logLevel ?? 'info' };
      };
      const present = load();
      const log = createLog(present.logLevel);
      const reaper = reaperOf(present.config, present.own, log);
      const forget = reloadOnHangup(reaper, log, { present, load });
      finish(await run(reaper, json === true).finally(forget));
    },
  );
};

/** What `run` sets beside the user's options. */
const defaultsOf = (
  config: Config,
  { inspect, http }: { inspect: RunFlags['inspect'] | undefined; http: RunFlags['http'] | undefined },
): ReaperDefaults => {
  const isInspecting = inspect !== undefined || Boolean(fileSaysInspect(config.options.inspect, config.configured));
  if (
    !isInspecting &&
    config.configured.some(({ path, source }) => path.startsWith('inspect.') && source.startsWith('--'))
  ) {
    throw new UsageError('Options of the inspector need --inspect.');
  }
  return {
    options: { http: httpOf(config, http), ...(isInspecting ? { inspect: inspectorOf(config, inspect) } : {}) },
  };
};

interface RunFlags {
  readonly inspect?: ReturnType<typeof address> | true;
  readonly http?: ReturnType<typeof address>;
  readonly json?: boolean;
}

/** A config file opens the inspector by `inspect: true`, or by options of it. Variables alone don't. */
const fileSaysInspect = (inspect: unknown, configured: readonly { path: string; source: string }[]): boolean =>
  inspect === true ||
  configured.some(({ path, source }) => path.startsWith('inspect.') && !/^(--|REAPER_)/.test(source));

/** The events that have no `type` of their own. */
const printed = ['pool', 'hook', 'sweep', 'rescue', 'connection', 'leader', 'suspended'] as const;

/** Whether an event of a job says that something was done, or was given up. */
const hasActed = ({ verdict, outcome }: ReaperEvents['job']): boolean =>
  verdict !== 'keep' && outcome !== 'deferred' && leftHooks[outcome] === undefined;

/** Sweeps and rescues until it is stopped. What it does is in the log; with `--json` on stdout too. */
const run = async (reaper: Reaper, json: boolean): Promise<number> => {
  if (json) {
    reaper.on('job', (outcome) => hasActed(outcome) && printJson('job', outcome));
    for (const name of printed) reaper.on(name, (event: ReaperEvents[typeof name]) => printJson(name, event));
    // In these, `type` is the job type.
    reaper.on('orphan', (entry) => printJson('orphan', { entry }));
    reaper.on('quarantine', (job) => printJson('quarantine', { job }));
    reaper.on('error', (error) => printJson('error', error.toJSON()));
  }
  let signals: Signals | undefined;
  const stopped = new Promise<number>((resolve) => {
    signals = stopOnSignals(reaper, () => resolve(0));
  });
  const giveUp = async () => {
    await reaper.stop({ timeout: 0 });
    signals?.cancel();
  };
  let failure: Error | undefined;
  const report = await reaper.doctor({ essential: true }).catch((error: Error) => {
    failure = error;
    return undefined;
  });
  if (signals?.code() !== undefined) return stopped;
  // An unreachable Redis is in the log, and comes back. A refusal needs an operator.
  if (failure instanceof UnusableRedisError && failure.kind === 'permanent') {
    await giveUp();
    throw failure;
  }
  if (report !== undefined && !canStart(report)) {
    await giveUp();
    return 1;
  }
  reaper.start();
  try {
    await reaper.httpUrl();
  } catch (error) {
    // Without its probes it would be killed sooner or later.
    await giveUp();
    throw error;
  }
  complain('reaper: started');
  return stopped;
};

/** Whether the reaper can work here. Prints each failed check with what to do. */
const canStart = ({ checks }: DoctorReport): boolean => {
  for (const check of checks) if (!check.ok) printCheck(check, process.stderr);
  if (checks.every(({ isBlocking }) => !isBlocking)) return true;
  complain('reaper: not started: a required check failed. See the lines above, or run: reaper doctor');
  return false;
};
