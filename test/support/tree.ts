import { type AnyActorRef, createActor, type InspectionEvent, SimulatedClock } from 'xstate';
import { dispatcherMachine } from '../../src/machines/dispatcher.ts';
import { leaderMachine } from '../../src/machines/leader.ts';
import { poolsMachine } from '../../src/machines/pools.ts';
import { rescueMachine } from '../../src/machines/rescue.ts';
import { rescuePassMachine } from '../../src/machines/rescuePass.ts';
import { supervisorMachine } from '../../src/machines/supervisor.ts';
import type { SupervisorEvent } from '../../src/machines/supervisorSetup.ts';
import { sweepMachine } from '../../src/machines/sweep.ts';
import type { SweepEvent } from '../../src/machines/sweepSetup.ts';
import type { Report, ReportOf } from '../../src/machines/types/reports.ts';
import type { Found } from '../../src/machines/types/rescue.ts';
import { policy } from './facts.ts';
import { ours, recounted, requeued } from './passes.ts';
import { createRemote, flush } from './paths.ts';

const remote = createRemote();
const logic = remote.logic();

/** The machines of the tree. What they invoke, lanes, pools and endpoints are answered by the test. */
export const treeMachines = {
  leader: leaderMachine.provide({ actors: { acquireLease: logic, resign: logic } }),
  sweep: sweepMachine.provide({ actors: { lane: logic, readPage: logic, judgePage: logic, completePass: logic } }),
  pools: poolsMachine.provide({ actors: { pool: logic } }),
  rescuePass: rescuePassMachine.provide({}),
  dispatcher: dispatcherMachine.provide({ actors: { endpoint: logic, poll: logic } }),
};
const { pools, rescuePass } = treeMachines;
const effects = { watch: logic, find: logic, recount: logic, requeueOrphans: logic };
export const rescueTree = rescueMachine.provide({ actors: { pools, rescuePass, ...effects } });
export const supervisorTree = supervisorMachine.provide({
  actors: {
    leader: treeMachines.leader,
    sweep: treeMachines.sweep,
    rescue: rescueTree,
    dispatcher: treeMachines.dispatcher,
  },
});

type PoolsContext = ReturnType<(typeof poolsMachine)['getInitialSnapshot']>['context'];

export interface TreeInput {
  readonly lanes?: number;
  readonly poolSlots?: number;
  readonly plan?: boolean;
  readonly sharesSchedule?: boolean;
  /** Follows the actors. */
  readonly inspect?: (event: InspectionEvent) => void;
  readonly machine?: typeof supervisorTree;
}

const reportTypes = [
  'sweep.started',
  'sweep.ended',
  'rescue.started',
  'rescue.ended',
  'job',
  'pool',
  'orphan',
  'finished',
  'leader',
  'hooks.quiet',
  'fault',
] as const satisfies readonly Report['type'][];

/** Which actor invokes or spawns what a test answers. */
const parentOf = (id: string): readonly string[] => {
  if (id.startsWith('pool-')) return ['rescue', 'pools'];
  if (['watch', 'find', 'recount', 'requeueOrphans'].includes(id)) return ['rescue'];
  if (['acquireLease', 'resign'].includes(id)) return ['leader'];
  if (id === 'poll' || id.startsWith('endpoint-')) return ['dispatcher'];
  return ['sweep'];
};

/** Records what the pools were sent, and with what effects were asked. */
const recordAsked = () => {
  /** What the pools were started with, and what they were sent. */
  const toPools: { id: string; type: string; input?: { grace: number; plan: boolean } }[] = [];
  /** What effects were asked with. */
  const asked: Record<string, unknown[]> = {};
  return {
    record(event: InspectionEvent) {
      if (event.type !== '@xstate.event') return;
      const { id } = event.actorRef as AnyActorRef;
      const sent = event.event as { type: string; input?: never };
      if (id.startsWith('pool-')) toPools.push(sent.input === undefined ? { id, type: sent.type } : { id, ...sent });
      else if (sent.type === 'xstate.init') asked[id] = [...(asked[id] ?? []), sent.input];
    },
    views: {
      asked: (id: string) => asked[id]?.at(-1),
      timesAsked: (id: string) => asked[id]?.length ?? 0,
      stoppedPools: () => toPools.filter(({ type }) => type === 'stop').map(({ id, type }) => `${id} ${type}`),
      startedPools: () =>
        toPools.flatMap(({ id, input }) => (input === undefined ? [] : [[id, input.grace, input.plan] as const])),
    },
  };
};

/** Where pools are in the machine of the pools. */
const poolViews = (context: () => PoolsContext) => ({
  /** Pools in the slots, by slot. */
  slots: () =>
    Object.fromEntries(Object.entries(context().slots).map(([slot, { input }]) => [slot, input.suspect.pool])),
  /** Pools that wait out their grace. */
  waiting: () => context().graces.flatMap(({ pools }) => pools.map(({ input }) => input.suspect.pool)),
  /** Pools that wait for a slot. */
  ready: () => context().suspects.map(({ input }) => input.suspect.pool),
});

/** A supervisor with its real children, whose effects the test answers, on a clock that the test moves. */
export const startTree = ({ machine = supervisorTree, inspect, ...input }: TreeInput = {}) => {
  const clock = new SimulatedClock();
  const emitted: Report[] = [];
  const asked = recordAsked();
  const actor = createActor(machine, {
    clock,
    input: {
      ...{ policy, lanes: 1, poolSlots: 1, poolGrace: 15_000, plan: false, sharesSchedule: false, ...input },
      dispatcher: { slots: 2, perEndpoint: 8, interval: 5_000 },
    },
    inspect(event) {
      inspect?.(event);
      asked.record(event);
    },
  });
  for (const type of reportTypes) actor.on(type, (event) => void emitted.push(event as Report));
  actor.subscribe({ error: () => undefined });
  actor.start();

  // biome-ignore lint/suspicious/noExplicitAny: snapshots of several machines
  const actorAt = (...path: readonly string[]): any =>
    path.reduce((parent: AnyActorRef, id) => parent.getSnapshot().children[id], actor);
  const then = async (act: () => unknown) => {
    await flush();
    act();
    await flush();
  };
  const contextOf = <Machine extends { getInitialSnapshot: (...args: never[]) => { context: unknown } }>(
    ...path: readonly string[]
  ): ReturnType<Machine['getInitialSnapshot']>['context'] => actorAt(...path).getSnapshot().context;

  return {
    actor,
    emitted,
    actorAt,
    of: <Type extends Report['type']>(type: Type) =>
      emitted.filter((event): event is ReportOf<Type> => event.type === type),
    /** The states of the supervisor's children. */
    value: () => ({
      sweep: actorAt('sweep')?.getSnapshot().value,
      rescue: actorAt('rescue')?.getSnapshot().value,
      leader: actorAt('leader')?.getSnapshot().value,
    }),
    children: (...path: readonly string[]) => actorAt(...path).getSnapshot().children as Record<string, AnyActorRef>,
    status: () => actor.getSnapshot().status,
    sweep: () => contextOf<typeof sweepMachine>('sweep'),
    rescue: () => contextOf<typeof rescueMachine>('rescue'),
    pools: () => contextOf<typeof poolsMachine>('rescue', 'pools'),
    ...poolViews(() => contextOf<typeof poolsMachine>('rescue', 'pools')),
    ...asked.views,
    send: (event: SupervisorEvent) => then(() => actor.send(event)),
    sendToSweep: (event: SweepEvent) => then(() => actorAt('sweep').send(event)),
    sendTo: (path: readonly string[], event: { type: string }) => then(() => actorAt(...path).send(event)),
    answer: (id: string, output: unknown) => then(() => remote.resolve(actorAt(...parentOf(id)), id, output)),
    fail: (id: string, error: Error = new Error('Redis is down')) =>
      then(() => remote.reject(actorAt(...parentOf(id)), id, error)),
    tick: (ms: number) => then(() => clock.increment(ms)),
  };
};
export type Tree = ReturnType<typeof startTree>;

/** Ways to start a tree, each followed by `inspect`. */
export const treeStarts = (inspect?: TreeInput['inspect']) => {
  const start = (input: TreeInput = {}) => startTree({ ...input, ...(inspect && { inspect }) });
  return {
    start,
    /** One of several hosts, which leads. */
    async startLeader(more: TreeInput = {}) {
      const it = start({ sharesSchedule: true, ...more });
      await it.send({ type: 'schedule' });
      await it.answer('acquireLease', ours(1));
      return it;
    },
    /** A tree that receives `stop` after `what`. */
    async stopWhile(what: (it: Tree) => Promise<void>) {
      const it = start();
      await what(it);
      await it.send({ type: 'stop' });
      return it;
    },
  };
};

/** Answers a pass to its end, except for its pools. */
export const answerPass = async (it: Tree, looked: Found) => {
  await it.answer('find', looked);
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
};
