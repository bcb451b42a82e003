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

/** Everything about hooks: records, sender, dispatcher. */
export interface Delivery {
  readonly hooks: Hooks;
  readonly records: HookRecords;
  /** The dispatcher, for the inspector. */
  readonly actor: ReturnType<typeof createActor<typeof dispatcherMachine>>;
  /** From now on, hooks that other hosts left are sent too. */
  watch(): void;
  /** Sends the hooks that a filter has selected, and no others. */
  readonly named: SendNamed;
  /** Resolves when no hook that is due is left to attempt, on any host. Hooks behind an open circuit are not due. */
  quiet(): Promise<void>;
  /** The same for `reaper.hooks`. If this host sends nothing else, it waits only for the selected hooks. */
  quietHooksAdmin(): Promise<void>;
  /** Resolves when an attempt for a job has ended on this host, or none is left. */
  attempted(id: string): Promise<void>;
  inFlight(): number;
  /** Claims no more hooks, and waits for those in flight until `isUp` resolves. The rest stays in Redis. */
  stop(isUp: Promise<unknown>): Promise<void>;
}

/** Endpoints that one host sends to at the same time. */
const endpoints = 16;
/** Interval at which hooks of other hosts are looked for, in ms. */
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
  /** Callers that wait for an attempt, by job id. */
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
          // Not awaited: a hanging endpoint must not hold up all others.
          void sender.deliverLeft();
          await records.forgetParked(settings.parkedRetention);
        }),
      },
    }),
    { clock, input: { slots: endpoints, perReceiver: settings.concurrencyPerEndpoint, interval: lookEvery } },
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
        // Hooks that come after the stop stay in Redis.
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
