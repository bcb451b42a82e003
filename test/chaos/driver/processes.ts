/** The hosts and reapers of a run: real processes that are killed, stopped and replaced. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../support/buildPrograms.ts';
import type { FromProcess, ToHost } from './hostConfig.ts';

/** One process. Times: wall clock, ms. */
export interface Life {
  /** The slot of the process, such as `host-0`. */
  readonly slot: string;
  /** `host-0-2` is the second process of `host-0`. For a host it is the id of its pool. */
  readonly name: string;
  /** How it ended; undefined while it runs. */
  endedAt: number | undefined;
  readonly stops: { readonly from: number; to: number }[];
}

export interface Processes {
  readonly lives: readonly Life[];
  /** Processes that ended without being killed. */
  readonly faults: readonly string[];
  /** Reapers that ended while Redis denied them access, and were restarted. */
  readonly refused: number;
  /** Starts a process in a slot, with a new name. Resolves when it works or has ended. */
  start(slot: string): Promise<void>;
  /** Sends SIGKILL, also to a stopped process. */
  kill(slot: string): Promise<void>;
  stop(slot: string): void;
  goOn(slot: string): void;
  alive(): readonly Life[];
  killAll(): Promise<void>;
}

/** The programs of the processes, built with their packages: they start much faster than with tsx. */
export interface Programs {
  /** A folder inside the project, where the programs find `lua/`. */
  readonly folder: string;
  remove(): Promise<void>;
}

export const buildPrograms = async (): Promise<Programs> => {
  const temporary = fileURLToPath(new URL('../../../.tmp/', import.meta.url));
  await mkdir(temporary, { recursive: true });
  const folder = await mkdtemp(join(temporary, 'chaos-'));
  await bundle(folder, {
    entryPoints: ['host', 'reaper'].map((name) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))),
  });
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
};

export const createProcesses = ({
  programs,
  logs,
  configOf,
  onCut,
  isRefused,
}: {
  programs: Programs;
  logs: string;
  /** Returns the first argument of a slot's process. */
  configOf: (slot: string) => unknown;
  /** Called when the host of a slot waits at the point of a job's cut. */
  onCut: (slot: string, job: string, forMs: number) => void;
  /** Whether Redis denies the reapers access now. A reaper that ends because of it is restarted, as a process manager would do. */
  isRefused: () => boolean;
}): Processes => {
  const lives: Life[] = [];
  const faults: string[] = [];
  let refused = 0;
  let isOver = false;
  const running = new Map<string, { readonly child: ChildProcess; readonly life: Life }>();
  const generations = new Map<string, number>();

  const kill = async (slot: string) => {
    const found = running.get(slot);
    if (found === undefined) return;
    running.delete(slot);
    const exited = once(found.child, 'exit');
    found.child.kill('SIGKILL');
    await exited;
    endLife(found.life);
  };

  const processes: Processes = {
    lives,
    faults,
    get refused() {
      return refused;
    },
    async start(slot) {
      // If it is killed again before its successor was started, the slot must not get two successors.
      if (isOver || running.has(slot)) return;
      const generation = (generations.get(slot) ?? 0) + 1;
      generations.set(slot, generation);
      const name = `${slot}-${generation}`;
      const kind = slot.startsWith('host') ? 'host' : 'reaper';
      const { child, said } = run(join(programs.folder, `${kind}.mjs`), [JSON.stringify(configOf(slot)), name, logs]);
      const life: Life = { slot, name, endedAt: undefined, stops: [] };
      lives.push(life);
      running.set(slot, { child, life });
      child.once('exit', (code, signal) => {
        if (running.get(slot)?.child !== child) return;
        running.delete(slot);
        endLife(life);
        if (kind === 'reaper' && isRefused()) {
          refused += 1;
          setTimeout(() => void processes.start(slot), restartMs);
        } else faults.push(`${name} ended without being killed (${signal ?? code}): ${said().trim()}`);
      });
      await ready(child, (job, forMs) => onCut(slot, job, forMs));
    },
    kill,
    stop(slot) {
      const found = running.get(slot);
      if (found?.child.kill('SIGSTOP')) found.life.stops.push({ from: Date.now(), to: Number.POSITIVE_INFINITY });
    },
    goOn(slot) {
      const found = running.get(slot);
      const stop = found?.life.stops.at(-1);
      if (stop === undefined || !found?.child.kill('SIGCONT')) return;
      stop.to = Date.now();
    },
    alive: () => [...running.values()].map(({ life }) => life),
    async killAll() {
      isOver = true;
      await Promise.all([...running.keys()].map(kill));
    },
  };
  return processes;
};

/** Time until a reaper without access is restarted, in ms. */
const restartMs = 300;

/** Starts a program. `said` returns the end of what it has written to stderr. */
const run = (program: string, args: readonly string[]) => {
  const child = fork(program, args, { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2_000);
  });
  return { child, said: () => said };
};

/** Resolves when a process works or has ended. */
const ready = (child: ChildProcess, onCut: (job: string, forMs: number) => void) =>
  new Promise<void>((resolve) => {
    child.on('message', (message: FromProcess) => {
      if (message.event === 'ready') return resolve();
      onCut(message.job, message.forMs);
      if (child.connected) child.send({ go: message.run } satisfies ToHost, () => undefined);
    });
    child.once('exit', () => resolve());
  });

const endLife = (life: Life) => {
  life.endedAt = Date.now();
  const stop = life.stops.at(-1);
  if (stop !== undefined) stop.to = Math.min(stop.to, life.endedAt);
};
