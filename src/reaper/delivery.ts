import { createEndpointActors, createPoll } from '../actors/endpointActors.ts';
import { createSignal, type Signal } from '../io/clock.ts';
import { createHooks, type Hooks } from '../io/hooks/hooks.ts';
import { createHostBackoff, type HostBackoff } from '../io/hooks/hostBackoff.ts';
import { createHttpClient } from '../io/hooks/http/client.ts';
import { createInFlightLimiter, type InFlightLimiter } from '../io/hooks/inFlightLimiter.ts';
import { createHookRecords, type HookRecords } from '../io/hooks/records.ts';
import type { HookOutcome } from '../io/hooks/results.ts';
import { createSender } from '../io/hooks/sender.ts';
import { createSendNamed, type SendNamed } from '../io/hooks/sendNamed.ts';
import type { Deps } from '../io/redis/deps.ts';
import { type DispatcherInput, dispatcherMachine } from '../machines/dispatcher.ts';
import { endpointMachine } from '../machines/endpoint.ts';
import { messageOf } from '../machines/messageOf.ts';
import type { ReaperSettings } from '../options.ts';
import type { Reporting } from './reporting.ts';

/** Everything about hooks: records, sender, dispatcher. */
export interface Delivery {
  readonly hooks: Hooks;
  /** Those of passes. Until `sendAll`, only hooks that they enqueue are sent, and no others of the same endpoint. */
  readonly passHooks: Hooks;
  readonly records: HookRecords;
  /** The machine of the dispatcher with its effects, and its input: the supervisor runs it. */
  readonly dispatcher: ReturnType<typeof createDispatcher>;
  readonly dispatching: DispatcherInput;
  /** From now on, hooks that other hosts enqueued are sent too. */
  watch(): void;
  /** A pass over all jobs or pools begins: from now on, passes send everything that is due. */
  sendAll(): void;
  /** Resolves when the hooks of a sweep have been attempted: of one of some jobs only its own, unless everything is sent. */
  sweepSent(isScoped: boolean): Promise<void>;
  /** Sends the hooks that a filter has selected, and no others. */
  readonly named: SendNamed;
  /** Resolves when no hook that is due is left to attempt, on any host. Hooks behind an open circuit are not due. */
  quiet(): Promise<void>;
  /** The same for `reaper.hooks`. If this host sends nothing else, it waits only for the selected hooks. */
  quietHooksAdmin(): Promise<void>;
  /** Resolves when an attempt for a job has ended on this host, or none is left. */
  attempted(id: string): Promise<void>;
  inFlight(): number;
  /** Changes how many hooks may be in flight. */
  setConcurrency(count: number): void;
  /** A stop begins: results of hooks in flight no longer wait for a Redis that is away for long. */
  hurry(): void;
  /** After the dispatcher has stopped: waits for selected hooks until `isUp` resolves. The rest stays in Redis. */
  stop(isUp: Promise<unknown>): Promise<void>;
}

/** The dispatcher as the supervisor runs it. */
export interface Dispatching {
  /** Starts the actors. They wait for requests. Later calls change nothing. */
  start(): void;
  /** A hook was enqueued here for an endpoint. */
  hookDue(endpoint: string): void;
  /** From now on, hooks that other hosts enqueued are sent too. */
  watchHooks(): void;
  /** Resolves when no hook is due or in flight, or when the actors have stopped. */
  hooksQuiet(): Promise<void>;
}

/** Endpoints that one host sends to at the same time. */
const endpointSlots = 16;
/** Interval at which hooks of other hosts are polled, in ms. */
const pollInterval = 5_000;

interface DeliveryOptions extends Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> {
  readonly settings: ReaperSettings['hooks'];
  readonly random: () => number;
  readonly onOutcome: (outcome: HookOutcome) => void;
  readonly fault: Reporting['fault'];
  readonly supervision: () => Dispatching;
}

export const createDelivery = (options: DeliveryOptions): Delivery => {
  const { settings, clock, onOutcome, fault } = options;
  const attempts = createAttemptWaits();
  const { records, httpClient, backoff, sender, limiter } = createSending(options, (outcome) => {
    onOutcome(outcome);
    attempts.ended(outcome.id);
  });
  const forgetParked = createForgetting(records, settings, fault);
  const dispatcher = createDispatcher(records, limiter, backoff, async () => {
    // Not awaited: an endpoint that hangs must not delay the poll for all others.
    void sender.deliverPendingTexts();
    await forgetParked();
  });
  const lazy = createLazyDispatching(options.supervision);
  const { quiet } = lazy;
  const named = createSendNamed({ records, limiter, clock, isStopped: lazy.isStopped, fault });
  const { sendNamed, ...sweeps } = createPassSending(named, quiet);
  const onDue = (endpoint: string) => lazy.started().hookDue(endpoint);
  const ofHooks = { records, sender, rewriteOrigins: settings.rewriteOrigins, clock, onDue };

  return {
    hooks: createHooks(ofHooks),
    passHooks: createHooks({ ...ofHooks, sendNamed }),
    records,
    dispatcher,
    dispatching: { slots: endpointSlots, perEndpoint: settings.concurrencyPerEndpoint, interval: pollInterval },
    watch() {
      sweeps.sendAll();
      lazy.started().watchHooks();
    },
    ...sweeps,
    named,
    quiet,
    async quietHooksAdmin() {
      if (!named.isUsed || lazy.isStarted()) await quiet();
      await named.idle();
    },
    attempted: (id) => attempts.ending(id, quiet()),
    inFlight: () => limiter.inFlight,
    setConcurrency: limiter.setConcurrency,
    hurry: sender.hurry,
    async stop(isUp) {
      lazy.stop();
      await Promise.race([named.idle(), isUp]);
      sender.stop();
      await httpClient.close();
      await limiter.idle();
    },
  };
};

/** Parked hooks that cannot be deleted stop no delivery. They are reported once, until it works again. */
const createForgetting = (
  records: Pick<HookRecords, 'forgetParked'>,
  settings: Pick<ReaperSettings['hooks'], 'parkedRetention'>,
  fault: Reporting['fault'],
) => {
  let hasFailed = false;
  return async () => {
    try {
      await records.forgetParked(settings.parkedRetention);
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) fault('deleting old parked hooks', messageOf(error), { cause: error, poll: 'due-hooks' });
      hasFailed = true;
    }
  };
};

/** The dispatcher starts when it is first needed, but not after `stop`. */
const createLazyDispatching = (supervision: () => Dispatching) => {
  let isStarted = false;
  let isStopped = false;
  const started = () => {
    if (!isStarted && !isStopped) {
      isStarted = true;
      supervision().start();
    }
    return supervision();
  };
  return {
    started,
    quiet: () => started().hooksQuiet(),
    stop() {
      isStopped = true;
    },
    isStarted: () => isStarted,
    isStopped: () => isStopped,
  };
};

/** Callers that wait for an attempt, by job id. */
const createAttemptWaits = () => {
  const waiting = new Map<string, Signal>();
  return {
    ended(id: string) {
      waiting.get(id)?.resolve();
      waiting.delete(id);
    },
    /** Resolves when an attempt for the job has ended, or with `quiet`. */
    ending(id: string, quiet: Promise<void>): Promise<void> {
      const signal = waiting.get(id) ?? createSignal();
      waiting.set(id, signal);
      return Promise.race([
        signal.promise,
        quiet.then(() => {
          waiting.delete(id);
        }),
      ]);
    },
  };
};

/** What passes send: the hooks of their jobs or, once one was not scoped, everything that is due. */
const createPassSending = (named: SendNamed, quiet: () => Promise<void>) => {
  let sendsAll = false;
  return {
    sendNamed(endpoint: string, ids: readonly string[]): boolean {
      if (sendsAll) return false;
      for (const id of ids) named.add({ id, endpoint });
      return true;
    },
    sendAll() {
      sendsAll = true;
    },
    sweepSent: (isScoped: boolean) => (isScoped && !sendsAll ? named.idle() : quiet()),
  };
};

/** The records of hooks, and what sends them. */
const createSending = (
  { connection, keys, scripts, clock, settings, random }: DeliveryOptions,
  onOutcome: (outcome: HookOutcome) => void,
) => {
  // Read at each use: `reload` changes the settings.
  const live = {
    claimDuration: settings.timeout + 10_000,
    get maxRecords() {
      return settings.maxRecords;
    },
    get breakerThreshold() {
      return settings.breakerThreshold;
    },
    get drainRate() {
      return settings.drainRate;
    },
  };
  const deps = { connection, keys, scripts, clock };
  const records = createHookRecords({ ...deps, settings: live });
  const httpClient = createHttpClient(clientSettingsOf(settings), clock);
  const backoff = createHostBackoff(clock, random);
  const sender = createSender({ ...deps, records, httpClient, backoff, random, onOutcome, settings });
  return { records, httpClient, backoff, sender, limiter: createInFlightLimiter(sender, settings.concurrency) };
};

const clientSettingsOf = ({
  headerTimeout,
  timeout,
  allowedOrigins,
  allowLinkLocal,
  rewriteOrigins,
  tls: { ca, cert, key },
}: ReaperSettings['hooks']) => ({
  ...{ headerTimeout, timeout, allowedOrigins, allowLinkLocal, rewriteOrigins },
  tls: {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  },
});

const createDispatcher = (
  records: HookRecords,
  limiter: InFlightLimiter,
  backoff: HostBackoff,
  alsoAtPoll: () => Promise<unknown>,
) =>
  dispatcherMachine.provide({
    actors: {
      endpoint: endpointMachine.provide({ actors: createEndpointActors(records, limiter, backoff) }),
      poll: createPoll(records, alsoAtPoll),
    },
  });
