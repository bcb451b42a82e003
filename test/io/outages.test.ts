/** An outage is reported once, with its cause, reminded of once a minute, and so is its end. */
import { beforeEach, expect, test } from 'vitest';
import { UnusableRedisError } from '../../src/io/redis/errors.ts';
import { createOutages, type Outages } from '../../src/io/redis/outages.ts';

let now: number;
let said: string[];
let outages: Outages;
beforeEach(() => {
  [now, said] = [1_000, []];
  outages = createOutages(
    {
      onFault: ({ message }) => said.push(`fault ${message}`),
      onReminder: ({ message }, ms) => said.push(`reminder ${message} ${ms}`),
      onRestored: (ms) => said.push(`restored ${ms}`),
    },
    () => now,
  );
});
const refused = new Error('connect ECONNREFUSED');
const saidNow = () => said.splice(0);

test('its start with the cause of the first attempt, a reminder each minute, and its end', () => {
  outages.confirmed();
  expect([saidNow(), outages.now()]).toEqual([[], undefined]);
  outages.failed(new Error('read ECONNRESET'));
  expect(outages.now()).toBeUndefined();
  outages.lost();
  expect(saidNow()).toEqual([]);
  expect(outages.now()).toEqual({ since: 1_000, error: new Error('read ECONNRESET') });
  now = 1_500;
  outages.failed(refused);
  expect(saidNow()).toEqual(['fault connect ECONNREFUSED']);
  for (now of [2_000, 30_000, 61_499]) outages.failed(refused);
  expect(saidNow()).toEqual([]);
  now = 61_500;
  outages.failed(refused);
  expect(saidNow()).toEqual(['reminder connect ECONNREFUSED 60500']);
  now = 61_600;
  outages.failed(refused);
  expect(saidNow()).toEqual([]);
  expect(outages.now()).toEqual({ since: 1_000, error: refused });
  now = 62_000;
  outages.confirmed();
  expect([saidNow(), outages.now()]).toEqual([['restored 61000'], undefined]);
});

test('the second outage is reported like the first', () => {
  for (let time = 0; time < 3; time++) {
    outages.confirmed();
    saidNow();
    outages.lost();
    outages.failed(refused);
    outages.failed(refused);
    expect(saidNow()).toEqual(['fault connect ECONNREFUSED']);
  }
});

test('a brief outage is reported with its known cause, and with its end', () => {
  outages.confirmed();
  outages.lost();
  now += 20;
  outages.confirmed();
  expect(saidNow()).toEqual(['fault Redis closed the connection', 'restored 20']);
});

test('a specific cause is reported at once, and for one outage only', () => {
  outages.confirmed();
  outages.failed(new Error('no answer within 5000 ms: timed out'));
  outages.lost();
  expect(saidNow()).toEqual(['fault no answer within 5000 ms: timed out']);
  outages.confirmed();
  saidNow();
  outages.lost();
  outages.failed(refused);
  expect(saidNow()).toEqual(['fault connect ECONNREFUSED']);
});

test('a connection that never existed is an outage from the first attempt on', () => {
  outages.lost();
  expect(outages.now()).toBeUndefined();
  outages.failed(refused);
  outages.lost();
  now += 5;
  outages.failed(refused);
  expect([saidNow(), outages.now()]).toEqual([['fault connect ECONNREFUSED'], { since: 1_000, error: refused }]);
  outages.confirmed();
  expect(saidNow()).toEqual(['restored 5']);
});

test('a new refusal is reported once during an outage', () => {
  const auth = new UnusableRedisError('redis-wrong-password', 'permanent', 'another password');
  outages.confirmed();
  outages.lost();
  outages.failed(refused);
  outages.failed(auth);
  outages.failed(auth);
  outages.failed(new UnusableRedisError('redis-busy', 'transient', 'is loading'));
  outages.failed(new Error('WRONGPASS'));
  expect(saidNow()).toEqual(['fault connect ECONNREFUSED', 'fault another password']);
});

test('a deliberate reconnect is not an outage unless the next attempt fails', () => {
  outages.confirmed();
  outages.renewing();
  outages.lost();
  outages.confirmed();
  expect([saidNow(), outages.now()]).toEqual([[], undefined]);
  outages.renewing();
  outages.lost();
  outages.failed(refused);
  expect(saidNow()).toEqual(['fault connect ECONNREFUSED']);
});

test('a listener for faults gets only faults', () => {
  const faults: string[] = [];
  const other = createOutages({ onFault: ({ message }) => faults.push(message) }, () => now);
  other.failed(refused);
  now += 60_000;
  other.failed(refused);
  other.confirmed();
  expect(faults).toEqual(['connect ECONNREFUSED']);
});
