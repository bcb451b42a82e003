import {
  type Actor,
  type AnyActorRef,
  type AnyStateMachine,
  type AnyStateNode,
  type AnyTransitionDefinition,
  createActor,
  type EventObject,
  fromCallback,
  fromPromise,
  type InputFrom,
  type InspectionEvent,
  SimulatedClock,
} from 'xstate';
import { getAdjacencyMap, getSimplePaths, getStateNodes } from 'xstate/graph';
import type { Report, Reported } from '../../src/machines/types/reports.ts';

/** Gives every transition of a chart a name, also those without an event. These are 100 % of the coverage. */
const namesOf = (machine: AnyStateMachine): Map<AnyTransitionDefinition, string> => {
  const names = new Map<AnyTransitionDefinition, string>();
  for (const node of [machine.root, ...getStateNodes(machine)] as AnyStateNode[]) {
    const groups = [...node.transitions.entries()].filter(([event]) => event !== '');
    for (const [event, transitions] of [...groups, ['always', node.always ?? []] as const]) {
      for (const [i, transition] of transitions.entries()) {
        const targets = transition.target?.map(({ id }) => id).join(', ') ?? 'stays';
        names.set(transition, `${node.id} --${event} [${i}]--> ${targets}`);
      }
    }
  }
  return names;
};

/** Records which transitions of a chart were taken. */
export interface Coverage {
  readonly inspect: (event: InspectionEvent) => void;
  missing(): string[];
}

export const createCoverage = (machine: AnyStateMachine): Coverage => {
  const names = namesOf(machine);
  const taken = new Set<string>();
  return {
    inspect(event) {
      if (event.type !== '@xstate.microstep') return;
      for (const transition of event._transitions) {
        const name = names.get(transition);
        if (name !== undefined) taken.add(name);
      }
    },
    missing: () => [...names.values()].filter((name) => !taken.has(name)),
  };
};

/** The actors that a chart invokes. A path determines the result of each, and when it comes. */
export interface Remote {
  // biome-ignore lint/suspicious/noExplicitAny: actor logic of any type
  logic(): any;
  /** Ends the invoked actor with this output. */
  resolve(actor: AnyActorRef, id: string, output: unknown): void;
  reject(actor: AnyActorRef, id: string, error: unknown): void;
}

interface Call {
  resolve(output: unknown): void;
  reject(error: unknown): void;
}

export const createRemote = (): Remote => {
  const calls = new WeakMap<AnyActorRef, Call>();
  const callOf = (actor: AnyActorRef, id: string): Call => {
    const call = calls.get(actor.getSnapshot().children[id]);
    if (call === undefined) throw new Error(`no actor ${id} is invoked`);
    return call;
  };
  return {
    logic: () => fromPromise(({ self }) => new Promise((resolve, reject) => calls.set(self, { resolve, reject }))),
    resolve: (actor, id, output) => callOf(actor, id).resolve(output),
    reject: (actor, id, error) => callOf(actor, id).reject(error),
  };
};

/** Lets the continuations of settled promises run. */
export const flush = () => new Promise<void>((resolve) => setImmediate(resolve));

type PathEvent = EventObject & { output?: unknown; error?: unknown };

export interface Path {
  readonly name: string;
  readonly input: unknown;
  readonly events: readonly PathEvent[];
  readonly value: unknown;
  readonly status: string;
}

/**
 * Every simple path through a chart. No simple path has a transition that leads back to its own state, so for each of these
 * there is the shortest path that ends with it. `isPossible` excludes events that cannot happen in a state, although the chart
 * would accept them.
 */
export const pathsOf = (
  machine: AnyStateMachine,
  input: unknown,
  events: readonly PathEvent[],
  name: string,
  // biome-ignore lint/suspicious/noExplicitAny: a snapshot of any machine
  { isPossible = () => true }: { isPossible?: (state: any, event: PathEvent) => boolean } = {},
): Path[] => {
  // biome-ignore lint/suspicious/noExplicitAny: the options' types follow the machine's
  const options: any = {
    input,
    events,
    limit: 5_000,
    // biome-ignore lint/suspicious/noExplicitAny: a snapshot of any machine
    filterEvents: (state: any, event: any) => state.status === 'active' && state.can(event) && isPossible(state, event),
    // biome-ignore lint/suspicious/noExplicitAny: a snapshot of any machine
    serializeState: (state: any) => JSON.stringify([state.value, state.context, state.status]),
  };
  const stepsOf = (steps: readonly { event: EventObject }[]) =>
    steps.map(({ event }) => event as PathEvent).filter(({ type }) => type !== 'xstate.init');
  const toPath = (taken: readonly PathEvent[], state: { value: unknown; status: string }): Path => ({
    name: `${name}: ${taken.map(describe).join(' > ') || 'start'}`,
    input,
    events: taken,
    value: state.value,
    status: state.status,
  });
  // biome-ignore lint/suspicious/noExplicitAny: paths of any machine
  const simple: any[] = getSimplePaths(machine, options);
  const paths = simple.map((path) => toPath(stepsOf(path.steps), path.state));
  const shortest = new Map<string, readonly PathEvent[]>();
  for (const path of simple) {
    const key = options.serializeState(path.state);
    const taken = stepsOf(path.steps);
    if (taken.length < (shortest.get(key)?.length ?? Number.POSITIVE_INFINITY)) shortest.set(key, taken);
  }
  // biome-ignore lint/suspicious/noExplicitAny: an adjacency map of any machine
  for (const [key, { transitions }] of Object.entries<any>(getAdjacencyMap(machine, options))) {
    for (const { event, state } of Object.values<{ event: PathEvent; state: { value: unknown; status: string } }>(
      transitions,
    )) {
      const isLoop = options.serializeState(state) === key;
      if (isLoop) paths.push(toPath([...(shortest.get(key) ?? []), event], state));
    }
  }
  return paths;
};

const describe = ({ type, output }: PathEvent): string => {
  const text =
    output === undefined ? '' : `=${typeof output === 'string' ? output : JSON.stringify(output).slice(0, 40)}`;
  return `${type.replace(/xstate\.|actor\./g, '')}${text}`;
};

/** Takes a path with a real actor, with results of invoked actors as in the path. Returns the actor, running or ended. */
export const walk = async (
  machine: AnyStateMachine,
  { input, events }: Pick<Path, 'input' | 'events'>,
  { remote, coverage, inspect }: { remote: Remote; coverage: Coverage; inspect?: (event: InspectionEvent) => void },
): Promise<AnyActorRef> => {
  const clock = new SimulatedClock();
  const actor = createActor(machine, {
    input,
    clock,
    inspect: (event) => {
      coverage.inspect(event);
      inspect?.(event);
    },
  });
  actor.subscribe({ error: () => undefined });
  actor.start();
  for (const event of events) {
    await flush();
    const [, kind, , id = ''] = event.type.split('.');
    if (event.type.startsWith('xstate.after.')) clock.increment(3_600_000);
    else if (event.type.startsWith('xstate.') && kind === 'done') remote.resolve(actor, id, event.output);
    else if (event.type.startsWith('xstate.') && kind === 'error') remote.reject(actor, id, event.error);
    else actor.send(event);
    await flush();
  }
  return actor;
};

export const done = (id: string, output: unknown): PathEvent =>
  ({ type: `xstate.done.actor.${id}`, actorId: id, output }) as PathEvent;
export const failure = (id: string, error = new Error('Redis is down')): PathEvent =>
  ({ type: `xstate.error.actor.${id}`, actorId: id, error }) as PathEvent;

/** Starts an actor below a parent that takes its reports. */
export const startChild = <Machine extends AnyStateMachine>(
  machine: Machine,
  {
    input,
    clock,
    inspect,
    onReport,
  }: {
    input: InputFrom<Machine>;
    clock: SimulatedClock;
    inspect?: (event: InspectionEvent) => void;
    onReport: (report: Report) => void;
  },
): Actor<Machine> => {
  const parent = createActor(
    fromCallback<Reported>(({ receive }) => receive(({ reports = [] }) => reports.forEach(onReport))),
    inspect === undefined ? { clock } : { clock, inspect },
  ).start();
  // biome-ignore lint/suspicious/noExplicitAny: the options' types follow the machine's
  const actor = createActor(machine, { parent, id: machine.id, input } as any);
  actor.start();
  return actor;
};
