/** Who may use the inspector: the checks of host name, origin, token and session. */
import { expect, test } from 'vitest';
import { createAccess } from '../../visualize/access.ts';

const token = 'a token of this test';
const access = createAccess(token, ['Proxy.Example']);
const pairOf = (cookie: string) => cookie.split(';')[0] as string;

test('only the exact session cookie is accepted, beside other cookies too', () => {
  const pair = pairOf(access.cookie);
  const [name, session] = pair.split('=') as [string, string];
  expect(access.hasSession({ cookie: pair })).toBe(true);
  expect(access.hasSession({ cookie: `other=1; ${pair};third=2` })).toBe(true);
  for (const cookie of [
    `${name}=`,
    `${name}`,
    `${name}=${session}x`,
    `${name}=${session.slice(1)}`,
    `${name}=${session.slice(0, -1)}x`,
    `${name}=${token}`,
    `${name}x=${session}`,
    `x${name}=${session}`,
    '',
  ])
    expect([cookie, access.hasSession({ cookie })]).toEqual([cookie, false]);
  expect(access.hasSession({})).toBe(false);
});

test('the session of another token is refused, and its cookie has another name', () => {
  const other = createAccess('another token of this test', []);
  expect(access.hasSession({ cookie: pairOf(other.cookie) })).toBe(false);
  const [name] = pairOf(access.cookie).split('=');
  const [, session] = pairOf(other.cookie).split('=');
  expect(access.hasSession({ cookie: `${name}=${session}` })).toBe(false);
  expect(pairOf(other.cookie).split('=')[0]).not.toBe(name);
});

test('a token gives the same session after a restart, in a cookie that scripts and other sites cannot read', () => {
  expect(createAccess(token, []).cookie).toBe(access.cookie);
  expect(access.cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Lax$/);
  expect(access.cookie).not.toContain(token);
});

test('only the exact token is accepted', () => {
  expect(access.isToken(token)).toBe(true);
  for (const given of ['', `${token} `, token.slice(0, -1), token.toUpperCase()])
    expect(access.isToken(given)).toBe(false);
});

test('IP addresses, localhost and the given host names are accepted, in any case and with any port', () => {
  for (const host of ['localhost', 'localhost:1', '127.0.0.1:7331', '10.0.0.1', '[::1]:7331', 'PROXY.example:80'])
    expect([host, access.isHostKnown({ host })]).toEqual([host, true]);
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    'proxy.example.evil',
    '',
    'a b',
    '127.0.0.1.evil.example',
  ])
    expect([host, access.isHostKnown({ host })]).toEqual([host, false]);
  expect(access.isHostKnown({})).toBe(false);
});

test('the own origin is the one of the Host header, with and without TLS', () => {
  const host = 'proxy.example';
  expect(access.isOwnOrigin({ host, origin: 'http://proxy.example' })).toBe(true);
  expect(access.isOwnOrigin({ host, origin: 'https://proxy.example' })).toBe(true);
  for (const origin of ['http://proxy.example:81', 'http://evil.example', 'null', undefined])
    expect(access.isOwnOrigin({ host, ...(origin === undefined ? {} : { origin }) })).toBe(false);
});
