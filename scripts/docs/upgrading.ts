import { renamedFlags, renamedVariables } from '../../src/cli/usage.ts';
import { renamedOptions } from '../../src/options/renamed.ts';

/** Names of version 0.1.0 → names now. The parts of `docs/upgrading.md` between `<!-- NAME -->` and `<!-- end -->`. */
const parts = (): Record<string, string> => ({
  options: table(
    Object.entries(renamedOptions).map(([old, { now, unit }]) => [
      old,
      now,
      unit === undefined ? '' : `was a number in ${unit}; now a duration`,
    ]),
  ),
  flags: table(Object.entries({ ...renamedFlags, ...renamedVariables }).map(([old, now]) => [old, now, ''])),
});

const table = (rows: readonly (readonly [string, string, string])[]): string =>
  [
    '| 0.1.0 | now | |',
    '| --- | --- | --- |',
    ...rows.map(([old, now, note]) => `| \`${old}\` | \`${now}\` | ${note} |`),
  ].join('\n');

/** The page with its generated parts as they should be. */
export const withRenames = (page: string): string =>
  Object.entries(parts()).reduce(
    (text, [name, part]) =>
      text.replace(new RegExp(`(<!-- ${name} -->\\n)[^]*?(\\n<!-- end -->)`), (_, begin, end) => begin + part + end),
    page,
  );
