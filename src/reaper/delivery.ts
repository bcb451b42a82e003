import { createEndpointActors, createLook } from '../actors/endpointActors.ts';
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
import type { ReaperSettings } from '../options.ts';
import type { Supervision } from './supervision.ts';

/** Everything that has to do with hooks. */
export interface Delivery {
  readonly hooks: Hooks;
  readonly records: HookRecords;
  /** The machine of the dispatcher with its effects, and its input: the supervisor runs it. */
  readonly dispatcher: ReturnType<typeof createDispatcher>;
  readonly dispatching: DispatcherInput;
  /** From now on, hooks that other hosts enqueued are sent too. */
  watch(): void;
  /** Sends the hooks that a person has named, and no others. */
  readonly named: SendNamed;
  /** Resolves when no hook that is due is left to attempt, of any host. Hooks behind an open circuit are not due. */
  quiet(): Promise<void>;
  /** The same for an admin command that may have named hooks: where nothing else was sent here, it waits only for those. */
  quietHooksAdmin(): Promise<void>;
  /** Resolves when an attempt for a job has ended here, or no hook is left to attempt. */
  attempted(id: string): Promise<void>;
  inFlight(): number;
  /** After the dispatcher has stopped: waits for named hooks until `isUp` resolves. The rest stays in Redis. */
  stop(isUp: Promise<unknown>): Promise<void>;
}

/** The dispatcher as the supervisor runs it. */
export type Dispatching = Pick<Supervision, 'start' | 'hookDue' | 'watchHooks' | 'hooksQuiet'>;

/** Endpoints that one host sends to at the same time. */
const endpointSlots = 16;
/** From one look for hooks of other hosts to the next, in ms. */
const lookInterval = 5_000;

export const createDelivery = ({
  connection,
  keys,
  scripts,
  settings,
  clock,
  random,
  onOutcome,
  fault,
  supervision,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  settings: ReaperSettings['hooks'];
  random: () => number;
  onOutcome: (outcome: HookOutcome) => void;
  fault: (where: string, error: string) => void;
  supervision: () => Dispatching;
}): Delivery => {
  const records = createHookRecords({
    connection,
    keys,
    scripts,
    clock,
    settings: {
      maxRecords: settings.most,
      breakerThreshold: settings.breakAfter,
      drainRate: settings.drainPerSecond,
      claimDuration: settings.totalTimeoutMs + 10_000,
    },
  });
  const { ca, cert, key } = settings.tls;
  const httpClient = createHttpClient(
    {
      headerTimeout: settings.headerTimeoutMs,
      timeout: settings.totalTimeoutMs,
      allowedOrigins: settings.allowOrigins,
      allowLinkLocal: settings.allowLinkLocal,
      rewriteOrigins: settings.moved,
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      },
    },
    clock,
  );
  const backoff = createHostBackoff(clock, random);
  /** Callers that wait for an attempt for a job, by its id. */
  const waiting = new Map<string, Signal>();
  const sender = createSender({
    connection,
    keys,
    scripts,
    records,
    httpClient,
    backoff,
    settings: {
      deadline: settings.deadlineMs,
      maxAge: settings.tooOldS * 1_000,
      timeout: settings.totalTimeoutMs,
    },
    clock,
    random,
    onOutcome(outcome) {
      onOutcome(outcome);
      waiting.get(outcome.id)?.resolve();
      waiting.delete(outcome.id);
    },
  });
  const limiter = createInFlightLimiter(sender, settings.concurrency);
  const dispatcher = createDispatcher(records, limiter, backoff, async () => {
    // Not awaited: an endpoint that hangs must not delay the look for all others.
    void sender.deliverPendingTexts();
    await records.forgetParked(settings.keepParkedS * 1_000);
  });
  let isAwake = false;
  let isStopped = false;
  const awake = () => {
    if (isAwake || isStopped) return;
    isAwake = true;
    supervision().start();
  };
  const quiet = () => {
    awake();
    return supervision().hooksQuiet();
  };

  const named = createSendNamed({ records, limiter, clock, isStopped: () => isStopped, fault });

  return {
    hooks: createHooks({
      records,
      sender,
      rewriteOrigins: settings.moved,
      clock,
      onDue(origin) {
        awake();
        supervision().hookDue(origin);
      },
    }),
    records,
    dispatcher,
    dispatching: { slots: endpointSlots, perReceiver: settings.perReceiver, interval: lookInterval },
    watch() {
      awake();
      supervision().watchHooks();
    },
    named,
    quiet,
    async quietHooksAdmin() {
      if (!named.isUsed || isAwake) await quiet();
      await named.idle();
    },
    attempted(id) {
      const signal = waiting.get(id) ?? createSignal();
      waiting.set(id, signal);
      return Promise.race([
        signal.promise,
        quiet().then(() => {
          waiting.delete(id);
        }),
      ]);
    },
    inFlight: () => limiter.inFlight,
    async stop(isUp) {
      isStopped = true;
      await Promise.race([named.idle(), isUp]);
      sender.stop();
      await httpClient.close();
      await limiter.idle();
    },
  };
};

const createDispatcher = (
  records: HookRecords,
  limiter: InFlightLimiter,
  backoff: HostBackoff,
  alsoAtLook: () => Promise<unknown>,
) =>
  dispatcherMachine.provide({
    actors: {
      endpoint: endpointMachine.provide({ actors: createEndpointActors(records, limiter, backoff) }),
      look: createLook(records, alsoAtLook),
    },
  });
