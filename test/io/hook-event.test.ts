/** What an endpoint gets, as Harbor's own jobservice writes it. */
import { describe, expect, test } from 'vitest';
import { hookEventOf } from '../../src/io/hooks/hookEvent.ts';

const stats = {
  id: 'j',
  name: 'X',
  kind: 'Generic',
  status: 'Success',
  enqueue_time: '5',
  update_time: '10',
  revision: '7',
  web_hook_url: 'http://core/x',
};
const eventOf = (...args: Parameters<typeof hookEventOf>) => {
  const event = hookEventOf(...args);
  if (typeof event === 'string') throw new Error(event);
  return { ...event, json: JSON.parse(event.body) };
};

test('eight fields are always present, the others only if they are set', () => {
  expect(eventOf('j', { ...stats, check_in_at: '0', die_at: '', parameters: '{}', run_at: 'x' }).json).toEqual({
    job_id: 'j',
    status: 'Success',
    metadata: {
      ...{ id: 'j', status: 'Success', name: 'X', kind: 'Generic', unique: false },
      ...{ enqueue_time: 5, update_time: 10, web_hook_url: 'http://core/x', revision: 7 },
    },
  });
  const { enqueue_time: _, update_time: __, ...bare } = stats;
  expect(eventOf('j', bare).json.metadata).toMatchObject({ enqueue_time: 0, update_time: 0 });
  const all = { unique: 'T', parameters: '{"a":1}', run_at: '8', check_in_at: '9', cron_spec: 'c', die_at: '3' };
  expect(eventOf('j', { ...stats, ...all }).json.metadata).toMatchObject({
    ...{ unique: true, parameters: { a: 1 }, run_at: 8, check_in_at: 9, cron_spec: 'c', die_at: 3 },
  });
});

test.each(['1', 't', 'T', 'true', 'TRUE', 'True'])('unique is %s, as Go reads it', (unique) => {
  expect(eventOf('j', { ...stats, unique }).json.metadata.unique).toBe(true);
});
test.each(['0', 'tRUE', 'yes', 'xtrue', 'truex', ''])('unique is not %j, as Go reads it', (unique) => {
  expect(eventOf('j', { ...stats, unique }).json.metadata.unique).toBe(false);
});

describe('there is no event', () => {
  test.each([
    ['gone', {}],
    ['no-endpoint', { ...stats, web_hook_url: ' \t' }],
    ['no-endpoint', { ...stats, web_hook_url: '' }],
    ['no-endpoint', { status: 'Running' }],
    ['malformed', { ...stats, status: 'Weird' }],
    ['malformed', { ...stats, status: 'constructor' }],
    ['acknowledged', { ...stats, ack: '{"status":"Success","revision":7,"check_in_at":0}' }],
    ['acknowledged', { ...stats, ack: '{"status":"Success","revision":8}' }],
  ])('%s: %j', (reason, fields) => {
    expect(hookEventOf('j', fields as Record<string, string>)).toBe(reason);
  });
});

test('a check-in text is sent with the state in which it was reported, even if the job has changed', () => {
  const state = { status: 'Running', revision: 7, checkInAt: 9 } as const;
  const acked = { ...stats, ack: '{"status":"Success","revision":7,"check_in_at":0}' };
  const event = eventOf('j', acked, { text: 'half', state });
  expect(event.state).toEqual(state);
  expect(event.json).toMatchObject({
    status: 'Running',
    check_in: 'half',
    metadata: { status: 'Running', check_in_at: 9 },
  });
});

test('an unreadable ACK is passed on as it is stored, to be replaced', () => {
  expect(eventOf('j', { ...stats, ack: 'null' }).unreadableAck).toBe('null');
  expect(eventOf('j', { ...stats, ack: '[1]' }).unreadableAck).toBe('[1]');
  const known = eventOf('j', { ...stats, ack: '{"status":"Running","revision":7}' });
  expect([known.unreadableAck, known.json.metadata.ack]).toEqual([
    undefined,
    { status: 'Running', revision: 7, check_in_at: 0 },
  ]);
});

test('parameters that are nested too deep to be written are left out', () => {
  const deep = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
  expect(eventOf('j', { ...stats, parameters: deep }).json).toEqual(eventOf('j', stats).json);
});

test('a job whose stats lack its id, name and kind has its own id and no name and kind; a stored id is kept', () => {
  const { id: _, name: __, kind: ___, ...bare } = stats;
  expect(eventOf('j', bare).json.metadata).toMatchObject({ id: 'j', name: '', kind: '' });
  expect(eventOf('j', { ...stats, id: 'stored' }).json).toMatchObject({ job_id: 'j', metadata: { id: 'stored' } });
});

test.each(['', '[1]', '{}', 'null', '"text"', '3', '{'])(
  'the parameters %j are left out, as Go leaves them out',
  (parameters) => {
    expect(eventOf('j', { ...stats, parameters, ref_link: '' }).json.metadata).not.toHaveProperty('parameters');
  },
);

test('fields that are empty are left out, and so is an ACK that cannot be read', () => {
  const { metadata } = eventOf('j', { ...stats, ref_link: '', cron_spec: '', upstream_job_id: '', ack: '{' }).json;
  for (const field of ['ref_link', 'cron_spec', 'upstream_job_id', 'ack']) expect(metadata).not.toHaveProperty(field);
});
