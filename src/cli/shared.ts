import { type Command, InvalidArgumentError, Option } from 'commander';
import { type DestinationStream, pino } from 'pino';
import pretty from 'pino-pretty';
import { createReaper, OptionsError, type Reaper, type ReaperOptions } from '../index.ts';

/** Settings that every command takes. */
export interface CommonFlags {
  readonly redis: string;
  readonly namespace?: string;
  readonly types?: readonly string[];
  readonly hungAfter?: number;
  readonly json?: boolean;
  readonly logLevel: string;
}

/** Wrong usage: exit code 2. Its message says what to do. */
export class UsageError extends Error {}

export const wholeNumber = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number is needed');
  return Number(text);
};

export const withCommonFlags = (command: Command): Command =>
  command
    .addOption(
      new Option('--redis <url>', 'redis://, rediss://, redis+sentinel:// or rediss+sentinel://')
        .env('REAPER_REDIS_URL')
        .default('redis://127.0.0.1:6379', 'redis://127.0.0.1:6379'),
    )
    .addOption(new Option('--namespace <name>', "as it stands in Redis; Harbor's is in braces").env('REAPER_NAMESPACE'))
    .addOption(
      new Option('--types <types>', 'job types beside those that are found, with commas between')
        .env('REAPER_TYPES')
        .argParser((text: string) =>
          text
            .split(',')
            .map((type) => type.trim())
            .filter((type) => type !== ''),
        ),
    )
    .addOption(
      new Option('--hung-after <s>', 'seconds without a sign of life after which a job is failed (default: 86400)')
        .env('REAPER_HUNG_AFTER')
        .argParser(wholeNumber),
    )
    .addOption(
      new Option('--log-level <level>', 'of the log on stderr')
        .env('REAPER_LOG_LEVEL')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .option('--json', 'a JSON line for each job or pool, and a summary last');

/** @throws UsageError where a setting can't be used. */
export const reaperOf = (flags: CommonFlags, more: Partial<ReaperOptions> = {}): Reaper => {
  if (flags.namespace === undefined || flags.namespace.trim() === '') {
    throw new UsageError(
      "no namespace: give --namespace or REAPER_NAMESPACE; Harbor's is '{harbor_job_service_namespace}', braces included",
    );
  }
  try {
    return createReaper({
      redis: flags.redis,
      namespace: flags.namespace,
      jobTypes: [...(flags.types ?? [])],
      ...(flags.hungAfter === undefined ? {} : { hungAfterS: flags.hungAfter }),
      logger: createLog(flags.logLevel),
      ...more,
    });
  } catch (error) {
    if (error instanceof OptionsError || error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
};

/** JSON lines on stderr, or lines for a person where that is a terminal. */
const createLog = (level: string) => {
  const stream: DestinationStream = process.stderr.isTTY
    ? pretty({ destination: 2, ignore: 'pid,hostname,name', sync: true })
    : pino.destination({ dest: 2, sync: true });
  return pino({ name: 'reaper', level }, stream);
};

export const print = (text: string): void => void process.stdout.write(`${text}\n`);
export const printJson = (value: unknown): void => print(JSON.stringify(value));

/**
 * Does one thing with a reaper that must be reachable, and closes it. A first signal stops it gracefully, a second one
 * ends the process at once.
 */
export const once = async (reaper: Reaper, act: () => Promise<number>): Promise<number> => {
  const cancel = stopOnSignals(reaper);
  try {
    await reaper.ping();
    return await act();
  } finally {
    await reaper.stop({ timeout: 10_000 });
    cancel();
  }
};

/** Exit codes of a process that a signal ends: 128 and the signal's number. */
const codes = { SIGINT: 130, SIGTERM: 143 } as const;

/** Returns what takes the handlers away again; `stopped` is called once the reaper has stopped after the first signal. */
export const stopOnSignals = (reaper: Reaper, stopped: () => void = () => undefined): (() => void) => {
  let signals = 0;
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((signal) => {
    const handle = () => {
      signals += 1;
      if (signals > 1) process.exit(codes[signal]);
      process.stderr.write(`${signal}: finishing what is in hand; once more to end at once\n`);
      void reaper.stop().then(stopped);
    };
    process.on(signal, handle);
    return () => process.off(signal, handle);
  });
  return () => {
    for (const off of handlers) off();
  };
};
