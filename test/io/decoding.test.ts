/** What stands in Redis is read as Go reads it: times, ACKs and facts. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { brokenIdFacts, decodeAck, decodeFacts, decodeTime } from '../../src/io/jobs/stats.ts';

describe('a time', () => {
  test.each([
    ['0', 0],
    ['5', 5],
    ['+5', 5],
    ['-5', -5],
    ['0012', 12],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['-9007199254740991', Number.MIN_SAFE_INTEGER],
  ])('%s', (text, time) => expect(decodeTime(text)).toBe(time));
  test.each([
    '',
    ' 5',
    '5 ',
    '5s',
    'x5',
    '1e3',
    '0x10',
    '5.0',
    '--5',
    '9007199254740992',
    '-9007199254740992',
    `1${'0'.repeat(30)}`,
  ])('%j is none', (text) => expect(decodeTime(text)).toBeNaN());
  test('that is missing is accepted', () => expect(decodeTime(undefined)).toBeUndefined());
});

describe('an ACK', () => {
  test.each([
    ['{"status":"Success","revision":7,"check_in_at":9}', { status: 'Success', revision: 7, checkInAt: 9 }],
    ['{"status":"Running","revision":7}', { status: 'Running', revision: 7, checkInAt: 0 }],
    ['{"status":"Error","revision":0,"check_in_at":0,"more":1}', { status: 'Error', revision: 0, checkInAt: 0 }],
  ])('%s', (text, ack) => expect(decodeAck(text)).toEqual(ack));
  test.each([
    ...['', 'no JSON', 'null', '7', '"Success"', '[]', '{}', '{"revision":7}', '{"status":7,"revision":7}'],
    ...['{"status":"Weird","revision":7}', '{"status":"constructor","revision":7}', '{"status":"Success"}'],
    ...['{"status":"Success","revision":"7"}', '{"status":"Success","revision":7.5}'],
    ...['{"status":"Success","revision":9007199254740992}', '{"status":"Success","revision":7,"check_in_at":"9"}'],
    ...['{"status":"Success","revision":7,"check_in_at":null}', '{"status":"Success","revision":7,"check_in_at":0.5}'],
  ])('%s cannot be read', (text) => expect(decodeAck(text)).toBe('unreadable'));
  test('that is missing is undefined', () => expect(decodeAck(undefined)).toBeUndefined());
});

describe('the facts of a job', () => {
  const reply = [
    'j',
    'Running',
    'Generic',
    'X',
    '10',
    '9',
    '8',
    '7',
    '6',
    '{"status":"Running","revision":8}',
    'http://u',
  ];

  test('are read each from its field', () => {
    expect(decodeFacts('j', 100, reply)).toEqual({
      facts: {
        ...{ id: 'j', readAt: 100, stats: 'found', statsId: 'j', name: 'X', kind: 'Generic', status: 'Running' },
        ...{ updateTime: 10, checkInAt: 9, revision: 8, enqueueTime: 7, runAt: 6, hasHook: true },
        ack: { status: 'Running', revision: 8, checkInAt: 0 },
      },
      fingerprint: expect.any(Function),
      hookUrl: 'http://u',
    });
  });
  test('are undefined if they are missing, and a blank hook URL is none', () => {
    const { facts, hookUrl } = decodeFacts(
      'j',
      100,
      reply.map(() => false),
    );
    expect(facts).toMatchObject({ stats: 'found', hasHook: false });
    for (const name of ['statsId', 'name', 'status', 'updateTime', 'ack'] as const) expect(facts[name]).toBeUndefined();
    expect(hookUrl).toBeUndefined();
    expect(decodeFacts('j', 100, [...reply.slice(0, -1), ' \t']).facts.hasHook).toBe(false);
  });
  test('are texts where some bytes of the reply are not UTF-8', () => {
    const latin1 = reply.map((value) => Buffer.from(value.replace('X', 'é')).toString('latin1'));
    const { facts, hookUrl } = decodeFacts('j', 100, [...latin1.slice(0, -1), 'http://\xff'], 'latin1');
    expect([facts.name, facts.ack, hookUrl]).toEqual(['é', expect.any(Object), 'http://\uFFFD']);
  });
  test.each(['nothing', 'unreadable'] as const)('of stats that are %s', (word) => {
    const { facts, fingerprint } = decodeFacts('j', 100, word);
    expect([facts, fingerprint()]).toEqual([{ id: 'j', readAt: 100, stats: word, hasHook: false }, word]);
  });
  test('of an id that is not UTF-8: it cannot be looked up', () => {
    const { facts, fingerprint } = brokenIdFacts(Buffer.from([0x61, 0xff]), 100);
    expect([facts, fingerprint()]).toEqual([
      { id: 'a\\xff', hasBrokenId: true, readAt: 100, stats: 'unreadable', hasHook: false },
      'unreadable',
    ]);
  });
});

test('the fingerprint of facts is that of their fields, each with its length in bytes, as the scripts compute it', () => {
  const sha1 = (text: string, encoding: BufferEncoding) => createHash('sha1').update(text, encoding).digest('hex');
  const fields = ['é', 'Running', false, '', '5'] as const;
  expect(decodeFacts('j', 100, fields).fingerprint()).toBe(sha1('2:é7:Running-0:1:5', 'utf8'));
  expect(decodeFacts('j', 100, ['\u00ff', false], 'latin1').fingerprint()).toBe(sha1('1:\u00ff-', 'latin1'));
});
