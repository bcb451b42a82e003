/** The forms in which a forbidden destination may be written. */
import { expect, test } from 'vitest';
import { isForbiddenAddress, isForbiddenName } from '../../src/io/hooks/http/forbidden.ts';
import { embeddedIn, groupsOf } from '../../src/io/hooks/http/ipv6.ts';

test('the name of a metadata service is forbidden in any case, and with dots after it', () => {
  expect(isForbiddenName('metadata.google.internal')).toBe(true);
  expect(isForbiddenName('METADATA.Google.Internal..')).toBe(true);
  expect(isForbiddenName('google.internal')).toBe(false);
});

test.each(['fe80::1%eth0', 'fe80::a9fe:a9fe%1', '::ffff:169.254.169.254%lo', '2001:db8::5efe:169.254.169.254%1'])(
  'a forbidden address with a zone is forbidden: %s',
  (address) => {
    expect(isForbiddenAddress(address)).toBe(true);
  },
);

test('the IPv4 address in a mapped IPv6 address is found, in each notation', () => {
  expect(embeddedIn(groupsOf('::ffff:192.0.2.7'))).toEqual(['192.0.2.7']);
  expect(embeddedIn(groupsOf('::ffff:c000:207'))).toEqual(['192.0.2.7']);
  expect(embeddedIn(groupsOf('::1'))).toEqual([]);
});
