import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { addCounts } from '../machines/counts.ts';
import { areMarks, countMarks } from '../machines/marks.ts';
import { countsByName, isPlainRecord } from './values.ts';

const text = () => z.string().min(1, { error: 'must not be empty' });

const marksByType = () =>
  z.custom<Readonly<Record<string, string>>>(
    (value) => isPlainRecord(value) && Object.values(value as object).every(areMarks),
    { error: 'must be an object: job type → marks of its entries, as a plan of this version has them' },
  );

/** What a plan of a rescue does with a dead pool. */
const ofPool = () =>
  poolShape().refine(agreesWithMarks, {
    path: ['marks'],
    error: 'must have as many entries as entries and poison say',
  });

const agreesWithMarks = ({ entries, poison, marks }: z.output<ReturnType<typeof poolShape>>): boolean => {
  const marked = (letter: 'r' | 'q') => {
    const counts = Object.entries(marks).map(([type, of]) => [type, countMarks(of, letter)] as const);
    return addCounts(
      {},
      counts.filter(([, count]) => count > 0),
    );
  };
  const quarantined = poison.map(({ type }) => [type, 1] as const);
  return (
    isDeepStrictEqual(addCounts({}, Object.entries(entries)), marked('r')) &&
    isDeepStrictEqual(addCounts({}, quarantined), marked('q'))
  );
};

const poolShape = () =>
  z.strictObject({
    // A set of pools may hold the empty name.
    pool: z.string(),
    heartbeat: z.string(),
    entries: countsByName(),
    poison: z.array(z.strictObject({ id: z.string(), type: z.string() })),
    marks: marksByType(),
    traces: z
      .strictObject({ isRegistered: z.boolean(), hasHeartbeat: z.boolean(), lockInfo: z.array(z.string()) })
      .exactOptional(),
  });

/** What it does with an entry of a live pool. */
const ofEntry = <Act extends string>(act: Act) =>
  z.strictObject({
    act: z.literal(act),
    ...{ id: z.string(), type: z.string(), pool: z.string() },
    ...{ entry: text(), copies: z.number().int().min(1), fingerprint: text() },
  });

/** What it does with the counters of a type. */
const ofCounters = () => z.strictObject({ act: z.literal('rebuild-counters'), type: z.string(), fingerprint: text() });

const schemas = {
  'requeue-orphan': ofEntry('requeue-orphan'),
  finish: ofEntry('finish'),
  quarantine: ofEntry('quarantine'),
  'rebuild-counters': ofCounters(),
};
const pool = ofPool();

/** One act of a plan of a rescue. The issue of a value that cannot be used is about the kind of act that it names. */
export const plannedChange = z.unknown().transform((value, context) => {
  const act = typeof value === 'object' && value !== null && 'act' in value ? value.act : undefined;
  const isKnown = typeof act === 'string' && Object.hasOwn(schemas, act);
  if (act !== undefined && !isKnown) {
    const error = `must be one of ${Object.keys(schemas).join(', ')}`;
    context.addIssue({ code: 'custom', path: ['act'], message: error });
    return z.NEVER;
  }
  const parsed = (isKnown ? schemas[act as keyof typeof schemas] : pool).safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) context.addIssue({ ...issue } as Parameters<typeof context.addIssue>[0]);
  return z.NEVER;
});
