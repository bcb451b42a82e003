/** A command that waits for its turn. */
interface Waiting {
  readonly who: string;
  readonly label: string;
}
interface Pending extends Waiting {
  /** Sends it, and then looks, before the actor gets the reply. */
  go(after: ((step: string) => Promise<unknown>) | undefined): void;
}

/** Makes a command wait for its turn. A command of a dead actor never gets a reply. */
export type Command = <T>(who: string, label: string, act: () => Promise<T>) => Promise<T>;

const reads =
  /^(exists|get|hget|hgetall|hlen|hmget|hscan|lindex|llen|lrange|mget|scan|scard|sscan|type|zcard|zrange|zscan|zscore)\b/;
const areReads = (a: Waiting, b: Waiting): boolean => reads.test(a.label) && reads.test(b.label);

/**
 * The order explorer: runs `body` once for every order in which Redis can get the commands of its actors. With `crashes` it
 * also runs `body` for every point at which one of the actors can die.
 *
 * The waiting commands are known only after all earlier ones have got their replies. So a schedule is a list of choices among
 * the waiting commands, and the next schedule differs in the last choice that has an alternative left. Redis does not see when
 * an actor dies, only after which of its commands: it dies right after that one, or at the beginning.
 *
 * @returns the number of schedules.
 */
export const everySchedule = async ({
  reset,
  body,
  check,
  look,
  crashes,
  commute = areReads,
}: {
  reset: () => Promise<unknown>;
  body: (command: Command) => Promise<unknown>[];
  /** Throws if an invariant is broken. `trace` lists the commands in their order. */
  check: (trace: readonly string[]) => Promise<void>;
  /** Runs after each command that no earlier schedule had after the same ones, and after the one before the first of these. */
  look?: (step: string) => Promise<unknown>;
  crashes: boolean;
  /**
   * Whether two waiting commands lead to the same result in either order. Of the orders that differ only in such neighbors, one
   * runs. By default these are two commands of Redis that only read.
   */
  commute?: (a: Waiting, b: Waiting) => boolean;
}): Promise<number> => {
  let prefix: number[] = [];
  let runs = 0;
  for (;;) {
    const pending: Pending[] = [];
    const trace: string[] = [];
    const widths: number[] = [];
    const choices: number[] = [];
    const running = createRunning();
    let dead: string | undefined;
    /** Actors that could have died before the command for which they wait. */
    let spared = new Set<string>();
    /** Commands that would repeat an order: they had this turn in an earlier one, and commute with all that ran since. */
    let asleep: Pending[] = [];
    let isRepeated = false;
    const command: Command = (who, label, act) =>
      new Promise((resolve, reject) => {
        const run = async (after: typeof look) => {
          const reply = await act();
          await after?.(`${who}: ${label}`);
          return reply;
        };
        if (who !== dead) pending.push({ who, label, go: (after) => running.add(run(after).then(resolve, reject)) });
      });
    await reset();
    const alive = countAlive(body(command));
    for (;;) {
      await running.allWait();
      // An actor may wait for a reply of its own that is no command.
      const isAwaited = () => pending.length === 0 && alive() > 0 && dead === undefined;
      for (let turns = 0; turns < 200_000 && isAwaited(); turns++) await nextTurn();
      pending.sort((a, b) => (a.who < b.who ? -1 : 1));
      if (pending.length === 0) {
        // Otherwise orders would be left out without a word.
        if (isAwaited()) throw new Error('an actor waits for something that is no command');
        break;
      }
      const open = pending.filter((one) => !asleep.includes(one));
      const count = open.length;
      isRepeated = count === 0;
      if (isRepeated) break;
      const choice = prefix[choices.length] ?? 0;
      const mortal = crashes && dead === undefined ? firstOfEach(pending).filter(({ who }) => !spared.has(who)) : [];
      const width = count + mortal.length;
      if (choice >= width) throw new Error('the actors are not deterministic: the same choices led to other commands');
      widths.push(width);
      choices.push(choice);
      const chosen = (choice < count ? open[choice] : mortal[choice - count]) as Pending;
      spared = new Set(pending.map(({ who }) => who).filter((who) => who !== chosen.who));
      pending.splice(pending.indexOf(chosen), 1);
      asleep = choice < count ? [...asleep, ...open.slice(0, choice)].filter((one) => commute(one, chosen)) : [];
      if (choice < count) {
        trace.push(`${chosen.who}: ${chosen.label}`);
        chosen.go(choices.length < prefix.length - 1 ? undefined : look);
      } else {
        dead = chosen.who;
        trace.push(`${dead} dies before ${chosen.label}`);
        for (let i = pending.length - 1; i >= 0; i--) if (pending[i]?.who === dead) pending.splice(i, 1);
      }
    }
    if (!isRepeated) runs += 1;
    try {
      if (!isRepeated) await check(trace);
    } catch (error) {
      throw new Error(`${(error as Error).message}\nin this order:\n  ${trace.join('\n  ')}`);
    }
    const last = choices.findLastIndex((choice, i) => choice + 1 < (widths[i] as number));
    if (last < 0) return runs;
    prefix = [...choices.slice(0, last), (choices[last] as number) + 1];
  }
};

/** The first command of each actor. */
const firstOfEach = (waiting: readonly Pending[]): Pending[] => [
  ...new Map([...waiting].reverse().map((one) => [one.who, one])).values(),
];

/** Counts the actors that have not ended. */
const countAlive = (actors: readonly Promise<unknown>[]): (() => number) => {
  let count = actors.length;
  const end = () => {
    count -= 1;
  };
  for (const actor of actors) actor.then(end, end);
  return () => count;
};

/** The commands that are running. */
const createRunning = () => {
  let count = 0;
  let reply = () => {};
  return {
    add(command: Promise<unknown>): void {
      count += 1;
      command.finally(() => {
        count -= 1;
        reply();
      });
    },
    /**
     * Resolves when each actor has ended or waits for its turn. That is two turns of the event loop after the last command, for an
     * actor may wait for one before its next command, as `src/io/hooks/batcher.ts` does.
     */
    async allWait(): Promise<void> {
      for (let turns = 0; turns < 2; turns = count > 0 ? 0 : turns + 1) {
        // No turns while Redis works: they would take the processor from it.
        while (count > 0) {
          await new Promise<void>((resolve) => {
            reply = resolve;
          });
        }
        await nextTurn();
      }
    },
  };
};

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
