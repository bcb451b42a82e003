import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { jobOf } from '../../support/entries.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';
import { createUpstream } from '../../support/upstream.ts';

// What an entry says is read twice: here, and by the scanner of the scripts. Both must read the same, and what Go and Node read.

const { server, opened } = await redisFixture();

const keys = keysOf('t');
const includes = ['entry', 'entry_id', 'now', 'prove', 'quarantine_record', 'recovery'].map((name) =>
  readFileSync(new URL(`../../../lua/includes/${name}.lua`, import.meta.url), 'utf8'),
);
const readBy = async (reader: string, entries: readonly string[]) => {
  const source = `${includes.join('')}
local ids = {}
for i, entry in ipairs(ARGV) do ids[i] = ${reader}(entry) or false end
return ids`;
  return ((await server.client.eval(source, 0, ...entries)) as (string | null)[]).map((id) => id ?? undefined);
};
const readByScript = (...entries: string[]) => readBy('jobOf', entries);
/** As a client writes it: a lone surrogate becomes U+FFFD. */
const asWritten = (id: string | undefined) => (id === undefined ? undefined : Buffer.from(id).toString());

const nested = (depth: number) => `{"name":"X","args":{"n":${'['.repeat(depth)}${']'.repeat(depth)}},"id":"deep"}`;

test.each([
  ['a lone surrogate in its args', '{"name":"X", "id":"a","args":{"s":"\\ud800"}}', 'a'],
  ['a lone surrogate in its id', '{"name":"X","id":"a\\ud800\\u0041","t":1}', 'a\ufffdA'],
  ['a low surrogate first', '{"name":"X","id":"a\\udc00\\ud83d\\ude00","t":1}', 'a\ufffd\u{1f600}'],
  ['1,200 levels', nested(1_200), 'deep'],
  ['50,000 levels', nested(50_000), 'deep'],
  ['numbers that no double holds', '{"args":{"n":[1e400,123456789012345678901234567890,-0.0E+7]},"id":"a"}', 'a'],
  ['a zero byte, escaped', '{"args":{"s":"\\u0000"},"id":"a\\u0000b"}', 'a\0b'],
  ['a DEL and line separators', '{"args":{"s":"\u007f\u2028\u2029"},"id":"a"}', 'a'],
  ['a hexadecimal number', '{"id":"a","args":{"n":0x10}}', undefined],
  ['NaN', '{"id":"a","args":{"n":NaN}}', undefined],
  ['a raw line break in a string', '{"id":"a","args":{"n":"x\ny"}}', undefined],
  ['a raw zero byte in a string', '{"id":"a","args":{"n":"x\0y"}}', undefined],
  ['a comma too many', '{"id":"a",}', undefined],
  ['a leading zero', '{"id":"a","n":01}', undefined],
  ['an unknown escape', '{"id":"a","n":"\\x"}', undefined],
  ['other white space', '{"id":\u00a0"a"}', undefined],
  ['a vertical tab', '{"id":\v"a"}', undefined],
  ['something behind it', '{"id":"a"} x', undefined],
  ['no end', '{"id":"a"', undefined],
  ['an id that is a number', '{"id":7}', undefined],
  ['no object', '["id"]', undefined],
  ['nothing', '', undefined],
  ['an id twice', '{"name":"X","id":"a","id":"b"}', 'b'],
  ['an id twice, once with escapes', '{"name":"X","id":"a","t":1,"\\u0069\\u0064":"b"}', 'b'],
  ['args twice', '{"id":"a","args":{"_job_kind_periodic_":"1"},"args":{}}', 'a'],
  ['an epoch as text', '{"id":"a","args":{"_job_kind_periodic_":"17"}}', 'a@17'],
  ['an epoch as a number', '{"id":"a","args":{"_job_kind_periodic_":1700000000}}', 'a@1700000000'],
  ['an epoch as a number with an exponent', '{"id":"a","args":{"_job_kind_periodic_":17e8}}', 'a@1700000000'],
  ['an epoch that is not a whole number', '{"id":"a","args":{"_job_kind_periodic_":1.5}}', 'a'],
  ['an epoch that is null', '{"id":"a","args":{"_job_kind_periodic_":null}}', 'a'],
  ['an epoch deeper down', '{"id":"a","args":{"x":{"_job_kind_periodic_":"1"}}}', 'a'],
  ['an epoch spelled with escapes', '{"id":"a","args":{"\\u005fjob_kind_periodic_":"1"}}', 'a@1'],
])('fault 106: an entry with %s has the same id here and in the scripts', async (_, entry, id) => {
  expect([asWritten(jobOf(entry)), ...(await readByScript(entry))]).toEqual([id, id]);
});

test('fault 106: whatever JSON an entry is, or almost is, both read the same id', async () => {
  const piece = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      ' ',
      '\n',
      '0',
      '-',
      '.',
      'e',
      'x',
      'true',
      'null',
      '\\ud800',
      '\\u0041',
    ],
    ...[
      '"id":"b"',
      ',"id" :"c"',
      '"\\u0069d":"d",',
      '{"id":"e"}',
      '"args":{"_job_kind_periodic_":"7"}',
      '"_job_kind_periodic_":9',
      '\u007f',
      '\0',
      'é',
      '\u{1f600}',
    ],
  );
  const args = fc.oneof(
    fc.json(),
    fc.jsonValue().map((value) => JSON.stringify({ x: value, _job_kind_periodic_: value })),
    fc.integer().map((epoch) => `{"_job_kind_periodic_":${epoch}}`),
    fc.string({ unit: 'grapheme' }).map((epoch) => JSON.stringify({ _job_kind_periodic_: epoch })),
  );
  const entry = fc
    .tuple(fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: 'binary' })), args, fc.json(), fc.boolean())
    .map(([id, more, last, isPlain]) =>
      isPlain
        ? `{"name":"X","id":${JSON.stringify(id)},"t":1,"args":${more},"y":${last},"z":{"id":[1,"id"]}}`
        : `{ "args" : ${more} ,"id":${JSON.stringify(id)}, "y":${last}}`,
    );
  const mutated = fc
    .tuple(entry, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), piece), { maxLength: 3 }))
    .map(([text, cuts]) =>
      cuts.reduce((all, [at, length, put]) => {
        const from = at % (all.length + 1);
        return all.slice(0, from) + put + all.slice(from + length);
      }, text),
    );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(entry, mutated), { minLength: 20, maxLength: 20 }), async (entries) => {
      // What reaches a script went over the wire first.
      const sent = entries.map((text) => Buffer.from(text).toString());
      const here = sent.map((text) => (isPlainOnly(text) ? undefined : asWritten(jobOf(text))));
      const there = await readByScript(...sent);
      expect(there.map((id, i) => (isPlainOnly(sent[i] as string) ? undefined : id))).toEqual(here);
      // Of what counts, the shorter way that most entries take says the same.
      const counted = await readBy('countedJobOf', sent);
      expect(counted.map((id, i) => (isPlainOnly(sent[i] as string) ? undefined : id))).toEqual(
        here.map((id) => (id !== undefined && /^[ -~]+$/.test(id) ? id : undefined)),
      );
    }),
    { numRuns: 150 },
  );
});
/** What begins as a producer writes it is known by its beginning, whatever is wrong with the rest. */
const isPlainOnly = (text: string) => {
  try {
    JSON.parse(text);
    return false;
  } catch {
    return /^\{"name":"[^"\\]*","id":"/.test(text);
  }
};

const strange = [
  ['a lone surrogate', '{"name":"X","id":"odd","t":1700000000,"args":{"s":"\\ud800"}}'],
  ['1,200 levels', nested(1_200).replace('"deep"', '"odd"')],
  ['a number beyond all doubles', '{"name":"X","id":"odd","t":1700000000,"args":{"n":1e999}}'],
  [
    'no UTF-8',
    Buffer.concat([Buffer.from('{"name":"X","id":"odd","args":{"s":"'), Buffer.from([0xff]), Buffer.from('"}}')]),
  ],
] as const;

test.each(strange)(
  'fault 106: an entry with %s is counted, and quarantined at the cap, byte for byte',
  async (_, entry) => {
    const { client } = server;
    const upstream = createUpstream(client);
    await seedJob(client, 'odd');
    const reaper = opened.create({ redis: server.url });
    await client.lpush(keys.queue('X'), entry);
    for (let death = 0; death <= 3; death++) {
      await client.sadd(keys.pools, `p${death}`);
      await client.hset(keys.heartbeat(`p${death}`), { heartbeat_at: second(-60), job_names: 'X' });
      await upstream.fetch('X', `p${death}`);
      expect(await reaper.rescue({ grace: 0 })).toMatchObject({ quarantined: death < 3 ? 0 : 1 });
    }
    const [dead] = (await client.zrangeBuffer(keys.dead, '0', '-1')) as [Buffer];
    const bytes = Buffer.from(entry);
    expect(dead.subarray(0, bytes.length - 1)).toEqual(bytes.subarray(0, -1));
    expect(await client.hget(keys.stats('odd'), 'status')).toBe('Error');
    await reaper.quarantine.release({ id: 'odd' });
    expect(await client.lrangeBuffer(keys.queue('X'), 0, -1)).toEqual([bytes]);
  },
);

test.each(strange)('fault 106: an orphaned entry with %s goes back to its queue', async (_, entry) => {
  const { client } = server;
  await seedJob(client, 'odd', { status: 'Pending' });
  await client.sadd(keys.pools, 'p');
  await client.hset(keys.heartbeat('p'), { heartbeat_at: second(), job_names: 'X', worker_ids: 'w' });
  await client.zadd(keys.observed, second(), 'p');
  await client.rpush(keys.inProgress('X', 'p'), entry);
  const reaper = opened.create({ redis: server.url, rescue: { orphanedAfter: 0 } });
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ orphaned: 1, undecided: 0 });
  expect(await client.lrangeBuffer(keys.queue('X'), 0, -1)).toEqual([Buffer.from(entry)]);
});
