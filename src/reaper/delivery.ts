import { createActor } from 'xstate';
import { createDispatcherActors, createLook } from '../actors/dispatcherActors.ts';
import { createSignal, type Signal } from '../io/clock.ts';
import { createHooks, createInFlightLimiter, type Hooks } from '../io/hooks/hooks.ts';
import { createHostBackoff } from '../io/hooks/hostBackoff.ts';
import { createHttpClient } from '../io/hooks/http/post.ts';
import { createHookRecords, type HookRecords } from '../io/hooks/records.ts';
import { createSender, type HookOutcome } from '../io/hooks/sender.ts';
import { createSendNamed, type SendNamed } from '../io/hooks/sendNamed.ts';
import type { Deps } from '../io/redis/deps.ts';
import { dispatcherMachine } from '../machines/dispatcher.ts';
import { endpointMachine } from '../machines/endpoint.ts';
import { messageOf } from '../machines/job.ts';
import type { ReaperSettings } from '../options.ts';
import type { Reporting } from './reporting.ts';

/** All that has to do with hooks, put together. */
export interface Delivery {
  readonly hooks: Hooks;
  readonly records: HookRecords;
  /** The actor at the top, for whoever inspects. */
  readonly actor: ReturnType<typeof createActor<typeof dispatcherMachine>>;
  /** From now on what others have left is sent too. */
  watch(): void;
  /** Sends the hooks that a person has named, and no others. */
  readonly named: SendNamed;
  /** Resolves when nothing that is due is left to try, here or by others: what is behind an open breaker is not due. */
  quiet(): Promise<void>;
  /** The same for a person, who may have named some: where nothing else was to be sent here, only those are waited for. */
  quietHooksAdmin(): Promise<void>;
  /** Resolves when an attempt for a job has ended here, or nothing is left to try. */
  attempted(id: string): Promise<void>;
  inFlight(): number;
  /** Claims no more, and lets what is under way end until `isUp` resolves; what is left stays in Redis. */
  stop(isUp: Promise<unknown>): Promise<void>;
}

/** Receivers that are sent to at once by one host. */
const receivers = 16;
/** From one look for what others have left to the next, in ms. */
const lookEvery = 5_000;

export const createDelivery = ({
  connection,
  keys,
  scripts,
  settings,
  clock,
  random,
  onOutcome,
  fault,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  settings: ReaperSettings['hooks'];
  random: () => number;
  onOutcome: (outcome: HookOutcome) => void;
  fault: Reporting['fault'];
}): Delivery => {
  const records = createHookRecords({
    connection,
    keys,
    scripts,
    clock,
    settings: {
      most: settings.maxRecords,
      breakAfter: settings.breakerThreshold,
      drainPerSecond: settings.drainRate,
      claimFor: settings.timeout + 10_000,
    },
  });
  const { ca, cert, key } = settings.tls;
  const httpClient = createHttpClient(
    {
      headerTimeout: settings.headerTimeout,
      totalTimeout: settings.timeout,
      allowOrigins: settings.allowedOrigins,
      allowLinkLocal: settings.allowLinkLocal,
      moved: settings.rewriteOrigins,
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      },
    },
    clock,
  );
  const backoff = createHostBackoff(clock, random);
  /** Who waits for an attempt for a job. */
  const waiting = new Map<string, Signal>();
  const sender = createSender({
    connection,
    keys,
    scripts,
    records,
    httpClient,
    backoff,
    settings: {
      deadline: settings.deadline,
      tooOld: settings.maxAge,
      totalTimeout: settings.timeout,
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
  const actor = createActor(
    dispatcherMachine.provide({
      actors: {
        endpoint: endpointMachine.provide({ actors: createDispatcherActors(records, limiter, backoff) }),
        look: createLook(records, async () => {
          // Not waited for: a receiver that hangs must not hold up the look for all others.
          void sender.deliverLeft();
          await records.forgetParked(settings.parkedRetention);
        }),
      },
    }),
    { clock, input: { slots: receivers, perReceiver: settings.concurrencyPerEndpoint, interval: lookEvery } },
  );
  actor.subscribe({ error: (error) => fault('the dispatcher of hooks', messageOf(error), 'internal') });
  actor.on('fault', ({ where, error }) => fault(where, error));
  let isAwake = false;
  let isStopped = false;
  const awake = () => {
    if (isAwake || isStopped) return;
    isAwake = true;
    actor.start();
  };

  const quiet = () => {
    awake();
    return new Promise<void>((resolve) => {
      if (isStopped || actor.getSnapshot().status !== 'active') return resolve();
      const end = () => {
        for (const subscription of subscriptions) subscription.unsubscribe();
        resolve();
      };
      const subscriptions = [actor.on('quiet', end), actor.subscribe({ complete: end, error: end })];
      actor.send({ type: 'look' });
    });
  };

  const named = createSendNamed({ records, limiter, clock, isStopped: () => isStopped, fault });

  return {
    hooks: createHooks({
      records,
      sender,
      moved: settings.rewriteOrigins,
      clock,
      tellDue(origin) {
        awake();
        // What comes after the stop stays in Redis.
        if (!isStopped) actor.send({ type: 'due', origin });
      },
    }),
    records,
    actor,
    watch() {
      awake();
      actor.send({ type: 'watch' });
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
      if (isAwake && actor.getSnapshot().status === 'active') {
        const over = new Promise<void>((resolve) => {
          actor.subscribe({ complete: () => resolve(), error: () => resolve() });
        });
        actor.send({ type: 'stop' });
        await Promise.race([over, isUp]);
        actor.stop();
      }
      await Promise.race([named.idle(), isUp]);
      sender.stop();
      await httpClient.close();
      await limiter.idle();
    },
  };
};
