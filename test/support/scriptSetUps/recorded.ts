/** Set-ups of acts that are recorded in the audit stream. */
import type { Exception, SetUp } from './values.ts';

export const audit = 't:reaper:audit';
export const auditKept = 't:reaper:audit:kept:token';

const unrecorded: Exception = {
  reason: 'an act must not fail for its record; the reply says so',
  keys: [audit, auditKept],
};

/** The same set-up, with its act recorded. Without the stream the act is done all the same. */
export const recorded = (setUp: SetUp): SetUp => ({
  ...setUp,
  title: `${setUp.title}, recorded`,
  audited: true,
  goesOn: {
    // Where it does less, it records less.
    ...Object.fromEntries(
      Object.entries(setUp.goesOn ?? {}).map(([need, { reason, keys }]) => [
        need,
        keys === undefined ? { reason } : { reason, keys: [...keys, audit, auditKept] },
      ]),
    ),
    ...{ [audit]: unrecorded, [auditKept]: unrecorded, XADD: unrecorded },
  },
});

/** Each set-up, and one of them also with its act recorded. */
export const alsoRecorded = (
  setUps: readonly SetUp[],
  { goesOn = {}, which = 0 }: { goesOn?: SetUp['goesOn']; which?: number } = {},
): readonly SetUp[] => [
  ...setUps,
  recorded({ ...(setUps[which] as SetUp), goesOn: { ...setUps[which]?.goesOn, ...goesOn } }),
];
