import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { pino } from 'pino';
import pretty from 'pino-pretty';
import { createReaper, OptionsError, type Reaper, type ReaperOptions } from '../index.ts';
import { visible } from '../visible.ts';
import { complain, wantsColors } from './text.ts';

/** Settings that every command takes. */
export interface CommonFlags {
  readonly redis: string;
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  readonly namespace?: string;
  readonly types?: readonly string[];
  readonly hungAfter?: number;
  readonly hookCa?: string;
  readonly hookCert?: string;
  readonly hookKey?: string;
  readonly moved?: Readonly<Record<string, string>>;
  readonly allowOrigins?: readonly string[];
  readonly drainPerSecond?: number;
  readonly json?: boolean;
  readonly logLevel: string;
}

/** Wrong usage: exit code 2. Its message says what to do. */
export class UsageError extends Error {}

/** Digits only: `1e3` and `0x10` are no numbers here, and one that JavaScript would round is none either. */
const wholeNumberTo =
  (most: number) =>
  (text: string): number => {
    if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number is needed');
    const number = Number(text);
    if (number > most) throw new InvalidArgumentError(`a whole number up to ${most} is needed`);
    return number;
  };
export const wholeNumber = wholeNumberTo(Number.MAX_SAFE_INTEGER);
/** Up to the longest timer there is, 24 days: a longer one would fire at once. */
export const milliseconds = wholeNumberTo(2_147_483_647);

/** Where and how a browser may watch. */
export interface InspectFlags {
  /** True where no address was given. */
  readonly inspect?: ReturnType<typeof address> | true | undefined;
  readonly inspectToken?: string;
  readonly control?: boolean;
  readonly stately?: string;
  readonly hostName?: readonly string[];
}

/** `HOST:PORT`, `HOST` or `PORT`; the colons of an IPv6 address need brackets around it. */
export const address = (text: string): { host: string; port?: number } => {
  const url = `tcp://${/^\d+$/.test(text) ? `127.0.0.1:${text}` : text}`;
  const { hostname = '', port = '', pathname = '' } = URL.canParse(url) ? new URL(url) : {};
  if (hostname === '' || pathname !== '') throw new InvalidArgumentError('HOST:PORT is needed, such as 127.0.0.1:7331');
  return { host: hostname.replace(/^\[|\]$/g, ''), ...(port === '' ? {} : { port: Number(port) }) };
};

export const inspectToken = () =>
  new Option(
    '--inspect-token <token>',
    'what a browser has to know, 16 characters at least (default: a random one)',
  ).env('REAPER_INSPECT_TOKEN');
export const stately = () =>
  new Option(
    '--stately <url>',
    'also send the inspection events to a relay of @statelyai/inspect, such as ws://localhost:8080',
  );

export const hostName = () =>
  new Option('--host-name <name...>', 'names by which the page may be asked for, beside localhost and addresses');

export const inspectOptionsOf = ({
  inspect,
  inspectToken: token,
  control = false,
  stately: relay,
  hostName: hostNames = [],
}: InspectFlags): Exclude<ReaperOptions['inspect'], boolean | undefined> => ({
  ...(typeof inspect === 'object' ? inspect : {}),
  ...(token === undefined ? {} : { token }),
  control,
  hostNames: [...hostNames],
  ...(relay === undefined ? {} : { stately: relay }),
});

/** What stands between commas, without what is empty. */
const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** The text of a file. Its name is no secret, what is wrong with it neither. */
const textOfFile = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(`can not be read (${(error as NodeJS.ErrnoException).code})`);
  }
};

const movedOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    listOf(text).map((pair) => {
      const [from, to, ...more] = pair.split('=');
      if (from === undefined || to === undefined || more.length > 0) {
        throw new InvalidArgumentError('FROM=TO is needed, such as http://old-core=https://core.example');
      }
      return [from, to];
    }),
  );

/**
 * How hooks are sent. Every command that sends some needs what the other hosts of the namespace have: without the
 * authority of Harbor's internal TLS one `reaper sweep` would park for all of them what it can't deliver.
 */
const withSendingFlags = (command: Command): Command =>
  command
    .addOption(
      new Option('--hook-ca <file>', 'PEM file of an authority that receivers may have their certificates from')
        .env('REAPER_HOOK_CA')
        .argParser(textOfFile),
    )
    .addOption(
      new Option('--hook-cert <file>', 'PEM file of a certificate to show to receivers')
        .env('REAPER_HOOK_CERT')
        .argParser(textOfFile),
    )
    .addOption(new Option('--hook-key <file>', 'PEM file of its key').env('REAPER_HOOK_KEY').argParser(textOfFile))
    .addOption(
      new Option('--moved <from=to>', 'receivers that have moved, with commas between')
        .env('REAPER_MOVED')
        .argParser(movedOf),
    )
    .addOption(
      new Option('--allow-origins <origins>', 'the only origins that may be told, with commas between (default: all)')
        .env('REAPER_ALLOW_ORIGINS')
        .argParser(listOf),
    )
    .addOption(
      new Option('--drain-per-second <n>', 'hooks a second to a receiver that has come back (default: 50)')
        .env('REAPER_DRAIN_PER_SECOND')
        .argParser(wholeNumber),
    );

const hookOptionsOf = ({
  hookCa: ca,
  hookCert: cert,
  hookKey: key,
  moved,
  allowOrigins,
  drainPerSecond,
}: CommonFlags) => ({
  ...(drainPerSecond === undefined ? {} : { drainPerSecond }),
  ...(allowOrigins === undefined ? {} : { allowOrigins: [...allowOrigins] }),
  ...(moved === undefined ? {} : { moved: { ...moved } }),
  tls: {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  },
});

/** @param logLevel by default: what a one-shot command does is on stdout, what `run` does only in the log. */
export const withCommonFlags = (command: Command, logLevel: 'info' | 'warn' = 'warn'): Command =>
  withSendingFlags(command)
    .addOption(
      new Option('--redis <url>', 'redis://, rediss://, redis+sentinel:// or rediss+sentinel://')
        .env('REAPER_REDIS_URL')
        .default('redis://127.0.0.1:6379', 'redis://127.0.0.1:6379'),
    )
    .addOption(
      new Option('--sentinel-username <name>', 'user of the sentinels; that of the URL is for the master').env(
        'REAPER_SENTINEL_USERNAME',
      ),
    )
    .addOption(
      new Option('--sentinel-password <password>', 'password of the sentinels').env('REAPER_SENTINEL_PASSWORD'),
    )
    .addOption(new Option('--namespace <name>', "as it stands in Redis; Harbor's is in braces").env('REAPER_NAMESPACE'))
    .addOption(
      new Option('--types <types>', 'job types beside those that are found, with commas between')
        .env('REAPER_TYPES')
        .argParser(listOf),
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
        .default(logLevel),
    )
    .option('--json', 'JSON lines on stdout');

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
      ...(flags.sentinelUsername ? { sentinelUsername: flags.sentinelUsername } : {}),
      ...(flags.sentinelPassword ? { sentinelPassword: flags.sentinelPassword } : {}),
      namespace: flags.namespace,
      jobTypes: [...(flags.types ?? [])],
      ...(flags.hungAfter === undefined ? {} : { hungAfterS: flags.hungAfter }),
      hooks: hookOptionsOf(flags),
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
  if (!process.stderr.isTTY) {
    const plain = pino.destination({ dest: 2, sync: true });
    return pino({ name: 'reaper', level }, { write: (line: string) => plain.write(`${visible(line.trimEnd())}\n`) });
  }
  const lines = pretty({
    destination: 2,
    ignore: 'pid,hostname,name',
    singleLine: true,
    sync: true,
    colorize: wantsColors(process.stderr),
  });
  // Escaped before it is made pretty: only the colours of that are real.
  return pino({ name: 'reaper', level }, { write: (line: string) => lines.write(withVisibleTexts(line)) });
};

/** A line of JSON whose texts and names show what they hold. */
const withVisibleTexts = (line: string): string => `${JSON.stringify(withVisible(JSON.parse(line)))}\n`;
const withVisible = (value: unknown): unknown => {
  if (typeof value === 'string') return visible(value);
  if (Array.isArray(value)) return value.map(withVisible);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [visible(name), withVisible(each)]));
};

/**
 * Says which filter fitted nothing. Exit code 1 where a job was named, for that one is not there; a set may be empty.
 * @param list the command that shows what there is.
 */
export const reportNone = (
  count: number,
  filter: Readonly<Record<string, string | undefined>>,
  list: string,
): number => {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  if (count > 0 || given.length === 0) return 0;
  const named = given.map(([name, value]) => `--${name} ${value}`).join(' ');
  complain(`reaper: nothing fits ${named}, so nothing was changed; ${list} shows what there is`);
  return filter.id === undefined ? 0 : 1;
};

/** An empty value of a filter means nothing, not all. */
export const nonEmpty = (text: string): string => {
  if (text === '') throw new InvalidArgumentError('must not be empty');
  return text;
};

/** Counts as a person reads them. */
export const countsOf = (counts: Readonly<Record<string, number | undefined>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ') || 'none';

/**
 * Does one thing with a reaper that must be reachable, and closes it. A first signal stops it gracefully, and its code is
 * the one that a signal gives; a second one ends the process at once.
 */
export const once = async (
  reaper: Reaper,
  act: () => Promise<number>,
  ensureUsable: () => Promise<void> = reaper.ping,
): Promise<number> => {
  const signals = stopOnSignals(reaper);
  try {
    await ensureUsable();
    const code = await act();
    return signals.code() ?? code;
  } catch (error) {
    const code = signals.code();
    if (code === undefined) throw error;
    complain(`reaper: ${(error as Error).message}`);
    return code;
  } finally {
    await reaper.stop({ timeout: 10_000 });
    signals.cancel();
  }
};

/** Exit codes of a process that a signal ends: 128 and the signal's number. */
const codes = { SIGINT: 130, SIGTERM: 143 } as const;

export interface Signals {
  /** The exit code of the signal that came, if one did. */
  code(): number | undefined;
  /** Takes the handlers away again. */
  cancel(): void;
}

/** Resolves to exit code 0 once a signal has come and the reaper has stopped. */
export const untilStopped = (reaper: Reaper): Promise<number> =>
  new Promise((resolve) => {
    stopOnSignals(reaper, () => resolve(0));
  });

/** Stops a reaper at the first signal; `stopped` is called once it has stopped. */
export const stopOnSignals = (reaper: Reaper, stopped: () => void = () => undefined): Signals => {
  let first: number | undefined;
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((signal) => {
    const handle = () => {
      if (first !== undefined) process.exit(codes[signal]);
      first = codes[signal];
      complain(`${signal}: finishing what is in hand; once more to end at once`);
      void reaper.stop().then(stopped);
    };
    process.on(signal, handle);
    return () => process.off(signal, handle);
  });
  return {
    code: () => first,
    cancel() {
      for (const off of handlers) off();
    },
  };
};
