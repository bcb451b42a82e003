import { createActor } from 'xstate';
import { createDeliveryActors, createLook } from './actors/deliveryActors.ts';
import { type Clock, createSignal, type Signal } from './io/clock.ts';
import type { Connection } from './io/connection.ts';
import { createCourier, type HookOutcome } from './io/courier.ts';
import { createHookRecords, type HookRecords } from './io/hookRecords.ts';
import { createHooks, createOutbox, type Hooks } from './io/hooks.ts';
import type { Keys } from './io/keys.ts';
import { createOwnPauses } from './io/ownPauses.ts';
import { createPoster } from './io/post.ts';
import type { Scripts } from './io/scripts.ts';
import { createSendNamed, type SendNamed } from './io/sendNamed.ts';
import { delivererMachine } from './machines/deliverer.ts';
import { deliveryMachine } from './machines/delivery.ts';
import { messageOf } from './machines/job.ts';
import type { ReaperSettings } from './options.ts';

/** All that has to do with hooks, put together. */
export interface Delivery {
  readonly hooks: Hooks;
  readonly records: HookRecords;
  /** The actor at the top, for whoever inspects. */
  readonly actor: ReturnType<typeof createActor<typeof delivererMachine>>;
  /** From now on what others have left is sent too. */
  watch(): void;
  /** Sends the hooks that a person has named, and no others. */
  readonly named: SendNamed;
  /** Resolves when nothing that is due is left to try, here or by others: what is behind an open breaker is not due. */
  quiet(): Promise<void>;
  /** The same for a person, who may have named some: where nothing else was to be sent here, only those are waited for. */
  quietForPeople(): Promise<void>;
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
}: {
  connection: Connection;
  keys: Keys;
  scripts: Scripts;
  settings: ReaperSettings['hooks'];
  clock: Clock;
  random: () => number;
  onOutcome: (outcome: HookOutcome) => void;
  fault: (where: string, error: string) => void;
}): Delivery => {
  const records = createHookRecords({
    connection,
    keys,
    scripts,
    clock,
    settings: {
      most: settings.most,
      breakAfter: settings.breakAfter,
      drainPerSecond: settings.drainPerSecond,
      claimFor: settings.totalTimeoutMs + 10_000,
    },
  });
  const { ca, cert, key } = settings.tls;
  const poster = createPoster(
    {
      headerTimeout: settings.headerTimeoutMs,
      totalTimeout: settings.totalTimeoutMs,
      allowOrigins: settings.allowOrigins,
      allowLinkLocal: settings.allowLinkLocal,
      moved: settings.moved,
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      },
    },
    clock,
  );
  const pauses = createOwnPauses(clock, random);
  /** Who waits for an attempt for a job. */
  const waiting = new Map<string, Signal>();
  const courier = createCourier({
    connection,
    keys,
    scripts,
    records,
    poster,
    pauses,
    settings: {
      deadline: settings.deadlineMs,
      tooOld: settings.tooOldS * 1_000,
      totalTimeout: settings.totalTimeoutMs,
    },
    clock,
    random,
    onOutcome(outcome) {
      onOutcome(outcome);
      waiting.get(outcome.id)?.resolve();
      waiting.delete(outcome.id);
    },
  });
  const outbox = createOutbox(courier, settings.concurrency);
  const actor = createActor(
    delivererMachine.provide({
      actors: {
        delivery: deliveryMachine.provide({ actors: createDeliveryActors(records, outbox, pauses) }),
        look: createLook(records, async () => {
          // Not waited for: a receiver that hangs must not hold up the look for all others.
          void courier.deliverLeft();
          await records.forgetParked(settings.keepParkedS * 1_000);
        }),
      },
    }),
    { clock, input: { slots: receivers, perReceiver: settings.perReceiver, interval: lookEvery } },
  );
  actor.subscribe({ error: (error) => fault('the deliverer of hooks', messageOf(error)) });
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

  const named = createSendNamed({ records, outbox, clock, isStopped: () => isStopped, fault });

  return {
    hooks: createHooks({
      records,
      courier,
      moved: settings.moved,
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
    async quietForPeople() {
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
    inFlight: () => outbox.inFlight,
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
      courier.stop();
      await poster.close();
      await outbox.idle();
    },
  };
};
