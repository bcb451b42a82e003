/** One command of an actor that waits for its turn. */
interface Pending {
  readonly who: string;
  readonly label: string;
  go(): void;
}

/** Has a command wait for its turn; a command of an actor that has died is never answered. */
export type Command = <T>(who: string, label: string, act: () => Promise<T>) => Promise<T>;

/**
 * Runs `body` once for every order in which Redis can see the commands of its actors, and with `crashes` also for every
 * point at which one of them can die. Which commands wait is known only once all others have been answered: a schedule is
 * the list of choices among them, and the next schedule differs in the last choice that has another one left.
 *
 * @returns how many schedules there were.
 */
export const everySchedule = async ({
  reset,
  body,
  check,
  crashes,
}: {
  reset: () => Promise<unknown>;
  body: (command: Command) => Promise<unknown>[];
  /** Throws where an invariant is broken; `trace` says in which order things happened. */
  check: (trace: readonly string[]) => Promise<void>;
  crashes: boolean;
}): Promise<number> => {
  let prefix: number[] = [];
  for (let runs = 1; ; runs++) {
    const pending: Pending[] = [];
    const trace: string[] = [];
    const widths: number[] = [];
    const choices: number[] = [];
    let busy = 0;
    let dead: string | undefined;
    const command: Command = (who, label, act) =>
      new Promise((resolve, reject) => {
        const go = () => {
          busy += 1;
          act()
            .then(resolve, reject)
            .finally(() => {
              busy -= 1;
            });
        };
        if (who !== dead) pending.push({ who, label, go });
      });
    await reset();
    for (const actor of body(command)) actor.catch(() => undefined);
    for (;;) {
      do await new Promise((resolve) => setImmediate(resolve));
      while (busy > 0);
      pending.sort((a, b) => (a.who < b.who ? -1 : 1));
      const count = pending.length;
      if (count === 0) break;
      const choice = prefix[choices.length] ?? 0;
      const width = count * (crashes && dead === undefined ? 2 : 1);
      if (choice >= width) throw new Error('the actors are not deterministic: the same beginning went on otherwise');
      widths.push(width);
      choices.push(choice);
      const [chosen] = pending.splice(choice % count, 1) as [Pending];
      if (choice < count) {
        trace.push(`${chosen.who}: ${chosen.label}`);
        chosen.go();
      } else {
        dead = chosen.who;
        trace.push(`${dead} dies before ${chosen.label}`);
        for (let i = pending.length - 1; i >= 0; i--) if (pending[i]?.who === dead) pending.splice(i, 1);
      }
    }
    try {
      await check(trace);
    } catch (error) {
      throw new Error(`${(error as Error).message}\nin this order:\n  ${trace.join('\n  ')}`);
    }
    let last = choices.length - 1;
    while (last >= 0 && (choices[last] as number) + 1 >= (widths[last] as number)) last -= 1;
    if (last < 0) return runs;
    prefix = [...choices.slice(0, last), (choices[last] as number) + 1];
  }
};
