import { expect, test } from 'vitest';
import { keysOf } from '../../src/io/redis/keys.ts';
import { redisFixture } from '../support/fixture.ts';
import { differences, fill, readState, writeState } from '../support/states.ts';
import { namespace, readVectors, type ScriptVector } from './vectors.ts';

const { redis, scripts } = await redisFixture();

const keys = keysOf(namespace);

/** Calls our script with the arguments of upstream's. The time comes from Redis, not from an argument. */
const call = async (op: ScriptVector['op'], args: readonly string[]): Promise<string> => {
  const [first = '', second = '', third = '', fourth = ''] = args;
  if (op === 'setStatus')
    return wordOf(await scripts.run('set_status', [keys.stats(fourth), keys.track], [first, second, fourth]));
  if (op === 'ack') {
    const { outcome } = await scripts.run(
      'acknowledge',
      [keys.stats(fourth), keys.track],
      [first, second, third, fourth],
    );
    return outcome === 'refused' ? 'none' : wordOf({ outcome });
  }
  return wordOf(await scripts.run('reset_job', [keys.stats(first), keys.track], [first, second, '']));
};

/** A reply as upstream's scripts give it: a word, or the status that is stored. */
const wordOf = (reply: { readonly outcome: string; readonly status?: string }): string =>
  reply.outcome === 'done' ? 'ok' : (reply.status ?? reply.outcome);

test.each(readVectors<ScriptVector>('scripts.jsonl.gz').map((vector) => [vector.name, vector] as const))(
  'script: %s',
  async (_, vector) => {
    const now = Math.floor(Date.now() / 1_000);
    const { op, args, before, upstream, ours } = fill(vector, now, 'http://127.0.0.1:1');
    await writeState(redis, before);

    expect(await call(op, args)).toBe(ours.reply);

    const after = await readState(redis);
    if (ours.deviation === undefined) expect(differences(after, upstream.after, now)).toEqual([]);
    // If it is refused, or if the job is missing, nothing is written.
    else if (ours.reply !== 'ok') expect(differences(after, before, now)).toEqual([]);
    else if (op === 'ack') {
      const [status, revision, checkInAt, id = ''] = args;
      const ack = JSON.parse(after[keys.stats(id)]?.value.ack);
      expect(ack).toEqual({ status, revision: Number(revision), check_in_at: Number(checkInAt) });
    } else {
      // Fault 27: the same final status is written again, but the job is not counted down again.
      const [status, , , id = ''] = args;
      expect(after[keys.stats(id)]?.value.status).toBe(status);
      expect(after[keys.track]?.value[id]).toBe(before[keys.track]?.value[id]);
    }
  },
);
