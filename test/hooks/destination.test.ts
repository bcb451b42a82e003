import type { LookupAddress } from 'node:dns';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  createDestinations,
  endpointOf,
  ForbiddenAddressError,
  guardLookup,
  isForbiddenAddress,
  type Resolve,
} from '../../src/io/hooks/http/destination.ts';

const rules = { allowedOrigins: undefined, allowLinkLocal: false, rewriteOrigins: {} };

test.each([
  '0.0.0.0',
  '0.255.255.255',
  '169.254.0.0',
  '169.254.169.254',
  '169.254.255.255',
  '100.100.100.200',
  '100.96.0.96',
  '::ffff:100.80.80.80',
  '168.63.129.16',
  '::',
  'fe80::1',
  'fe80::1%eth0',
  'febf:ffff::1',
  'fd00:ec2::254',
  'fd00:ec2::23',
  '::ffff:169.254.169.254',
  '::ffff:0.0.0.0',
  '::ffff:100.100.100.200',
  '::169.254.169.254',
  '64:ff9b::169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '169.254.42.42',
  '169.254.0.23',
  '192.0.0.192',
  '224.0.0.1',
  '239.255.255.255',
  '255.255.255.255',
  'fd20:ce::254',
  'FD20:CE::254',
  'fd00:c1::a9fe:a9fe',
  'fd00:42::42',
  'fd00:a9fe:a9fe::1',
  'fd00:100::100:200',
  'fd00:0ec2:0000::0254',
  'fe80::a9fe:a9fe',
  'fe80::a9fe:a9fe%2',
  'ff02::1',
  '::ffff:a9fe:a9fe',
  '0:0:0:0:0:ffff:a9fe:a9fe',
  '::ffff:192.0.0.192',
  '::ffff:0:169.254.169.254',
  '::a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b::192.0.0.192',
  '64:ff9b:1::169.254.169.254',
  '64:ff9b:1:a9fe:a9:fe00::',
  '64:ff9b:1:ffa9:fe:a9fe::',
  '64:ff9b:1:ffff:a9:fea9:fe00::',
  '2002:a9fe:a9fe::',
  '2002:a9fe:a9fe::1',
  '2002:6464:64c8:1::1',
  '2001:0:a9fe:a9fe::1',
  '2001:0:4136:e378:8000:63bf:5601:5601',
  '2001:db8::5efe:169.254.169.254',
  '2001:db8::200:5efe:a9fe:a9fe',
])('%s is link-local, of a metadata service, or none', (address) => {
  expect(isForbiddenAddress(address)).toBe(true);
});

test.each([
  '127.0.0.1',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '1.0.0.0',
  '169.253.255.255',
  '169.255.0.0',
  '100.100.100.201',
  '168.63.129.17',
  '203.0.113.9',
  '::1',
  '::ffff:127.0.0.1',
  'fe7f::1',
  'fec0::1',
  'fd00:ec1::254',
  'fd12:3456::1',
  '64:ff9b::10.0.0.1',
  '2001:db8::1',
  '::ffff:10.0.0.1',
  '::10.0.0.1',
  '64:ff9b:1::10.0.0.1',
  '64:ff9b:2::a9fe:a9fe',
  '2002:a00:1::1',
  '2001:db8::5efe:10.0.0.1',
  '2001:4860:4860::8888',
  'fd20:cf::254',
  'fd00:c1::1',
  'fd00:42::43',
  '192.0.0.191',
  '223.255.255.255',
  '240.0.0.1',
  '255.255.255.254',
])('%s is an address that endpoints may have', (address) => {
  expect(isForbiddenAddress(address)).toBe(false);
});

test('no way of writing a link-local address into a URL gets past', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const forms: ((c: number, d: number) => string)[] = [
    (c, d) => `169.254.${c}.${d}`,
    (c, d) => String(0xa9fe0000 + c * 256 + d),
    (c, d) => `0x${(0xa9fe0000 + c * 256 + d).toString(16)}`,
    (c, d) => `0${(0xa9fe0000 + c * 256 + d).toString(8)}`,
    (c, d) => `0xa9.0376.${c * 256 + d}`,
    (c, d) => `0XA9.254.0${c.toString(8)}.0x${d.toString(16)}.`,
    (c, d) => `１６９。２５４．${c}.${d}`,
    (c, d) => `%31%36%39.254.${c}.${d}`,
    (c, d) => `[::ffff:169.254.${c}.${d}]`,
    (c, d) => `[0:0:0:0:0:FFFF:A9FE:${(c * 256 + d).toString(16)}]`,
    (c, d) => `[64:ff9b::a9fe:${(c * 256 + d).toString(16)}]`,
    (c, d) => `[fe80::${c.toString(16)}:${d.toString(16)}]`,
    (c, d) => `[64:ff9b:1::169.254.${c}.${d}]`,
    (c, d) => `[2002:a9fe:${(c * 256 + d).toString(16)}::1]`,
    (c, d) => `[2001:0:1:2:3:4:5601:${(65_535 - c * 256 - d).toString(16)}]`,
    (c, d) => `[2001:DB8::5EFE:169.254.${c}.${d}]`,
    (c, d) => `[::ffff:0:a9fe:${(c * 256 + d).toString(16)}]`,
  ];
  const destinations = createDestinations(rules);
  fc.assert(
    fc.property(fc.constantFrom(...forms), byte, byte, fc.constantFrom('http', 'https'), (form, c, d, scheme) => {
      expect(destinations.find(`${scheme}://${form(c, d)}:8080/x`)).toMatchObject({ code: 'forbidden' });
    }),
  );
});

test.each([
  'http://metadata.google.internal/computeMetadata/v1/',
  'http://METADATA.Google.Internal./',
  'http://metadata.goog',
  'http://metadata.tencentyun.com/latest',
  'http://user:pass@instance-data.ec2.internal:8080/',
  'https://api.metadata.cloud.ibm.com',
  'http://metadata.exoscale.com',
  'http://instance-data.eu-west-1.compute.internal/latest',
  'http://INSTANCE-DATA.cn-north-1.compute.internal.',
  'https://api.service.softlayer.com/rest/v3/SoftLayer_Resource_Metadata',
  'http://169.254.169.254../',
  'http://100.100.100.200...:8080/',
  'http://ｍetadata.google.internal/',
])('SSRF: %s names a metadata service, with a proxy too', (url) => {
  expect(createDestinations(rules).find(url)).toMatchObject({ code: 'forbidden' });
  expect(createDestinations({ ...rules, allowLinkLocal: true }).find(url)).toBeInstanceOf(URL);
});

test.each([
  'http://metadata.google.internal.example',
  'http://my-metadata.goog',
  'http://metadata',
  'http://data-server',
  'http://instance-data.example',
  'http://my-instance-data.eu-west-1.compute.internal',
  'http://instance-data.a.b.compute.internal',
  'http://localhost',
])('SSRF: %s is an address that endpoints may have', (url) => {
  expect(createDestinations(rules).find(url)).toBeInstanceOf(URL);
});

test('an origin on the list is compared without regard to case, default port, path or user info', () => {
  const { find } = createDestinations({ ...rules, allowedOrigins: ['HTTP://Core:80/any', 'https://core:8443'] });
  for (const url of ['http://core', 'http://CORE:80/x', 'http://user:pass@core/x', 'https://core:8443/x']) {
    expect(find(url)).toBeInstanceOf(URL);
  }
  for (const url of ['https://core', 'http://core:81', 'http://core.test', 'http://core@other', 'http://core.']) {
    expect(find(url)).toMatchObject({ code: 'forbidden' });
  }
});

test('an empty list of allowed origins allows none', () => {
  const { find } = createDestinations({ ...rules, allowedOrigins: [] });
  expect(find('http://core')).toMatchObject({ code: 'forbidden' });
});

const place = (rewriteOrigins: Record<string, string>, url: string) => {
  const found = createDestinations({ ...rules, rewriteOrigins }).find(url);
  return found instanceof URL ? found.href : found;
};

test('a rewritten URL keeps path, query and user info behind the prefix of the new base', () => {
  expect(place({ 'http://old': 'http://core:8080' }, 'http://old/a/b?c=d')).toBe('http://core:8080/a/b?c=d');
  expect(place({ 'http://OLD:80/': 'https://core/in/' }, 'http://old/a')).toBe('https://core/in/a');
  expect(place({ 'http://old': 'https://core/in' }, 'http://u:p%40@old')).toBe('https://u:p%40@core/in/');
  expect(place({ 'http://old:81': 'http://core' }, 'http://old/a')).toBe('http://old/a');
  expect(place({ 'http://old': 'http://core' }, 'http://old//core.test/a')).toBe('http://core//core.test/a');
});

test('a rewrite is applied once, so that two origins can be swapped', () => {
  const moved = { 'http://a': 'http://b', 'http://b': 'http://a' };
  expect(place(moved, 'http://a/x')).toBe('http://b/x');
  expect(place(moved, 'http://b/x')).toBe('http://a/x');
});

test('a rewrite to an address that hooks may not be sent to is refused', () => {
  expect(place({ 'http://old': 'http://169.254.169.254' }, 'http://old/a')).toMatchObject({ code: 'forbidden' });
});

test('a rule that is not an http or https URL is an error that does not contain its text', () => {
  for (const wrong of ['secret', '', 'core:8080', 'ftp://secret@core']) {
    for (const wrongRules of [
      { ...rules, allowedOrigins: [wrong] },
      { ...rules, rewriteOrigins: { [wrong]: 'http://core' } },
      { ...rules, rewriteOrigins: { 'http://core': wrong } },
    ]) {
      expect(() => createDestinations(wrongRules)).toThrow(/^an entry of \w+ is not an http or https URL$/);
    }
  }
});

test('a URL with the origin of one that was allowed is still checked', () => {
  const { find } = createDestinations({ allowedOrigins: undefined, allowLinkLocal: false, rewriteOrigins: {} });
  expect(find('http://core:8080/x')).toBeInstanceOf(URL);
  expect(find('blob:http://core:8080/x')).toMatchObject({ code: 'bad-url' });
});

test('the endpoint of a hook URL is the scheme, host and port that it is sent to', () => {
  expect(endpointOf('http://user:pass@CORE:80/path?query')).toBe('http://core');
  expect(endpointOf('https://core:8443/path')).toBe('https://core:8443');
  expect(endpointOf('http://old/path', { 'http://old': 'https://core/in' })).toBe('https://core');
  for (const url of ['', ' ', 'core:8080', '/path', 'ftp://core/path', 'http://']) {
    expect(endpointOf(url)).toBeUndefined();
  }
});

/** What a socket gets for a name with these addresses. */
const look = (addresses: LookupAddress[], all: boolean) => {
  const resolve: Resolve = (_, options, callback) => {
    expect(options.all).toBe(true);
    callback(null, addresses);
  };
  return new Promise<unknown[]>((resolved) =>
    guardLookup(isForbiddenAddress, resolve)('core', { all }, (error, ...rest) => resolved([error?.name, ...rest])),
  );
};

test('a socket gets the addresses that were checked, in the form that it asks for', async () => {
  const addresses = [
    { address: '10.0.0.1', family: 4 },
    { address: 'fd12::1', family: 6 },
  ];
  expect(await look(addresses, true)).toEqual([undefined, addresses]);
  expect(await look(addresses, false)).toEqual([undefined, '10.0.0.1', 4]);
});

test('a name is refused for any of its addresses, also where a socket asks for one', async () => {
  const addresses = [
    { address: '10.0.0.1', family: 4 },
    { address: 'fe80::1', family: 6 },
  ];
  expect((await look(addresses, true))[0]).toBe('ForbiddenAddressError');
  expect((await look(addresses, false))[0]).toBe('ForbiddenAddressError');
});

/** What a socket gets for a name if the look-up says this. */
const lookedUp = (...said: unknown[]) =>
  new Promise<unknown[]>((resolved) =>
    guardLookup(isForbiddenAddress, (_, __, callback) => (callback as (...args: unknown[]) => void)(...said))(
      'core',
      { all: true },
      (...got) => resolved(got),
    ),
  );

test('a name without an address is an error, and so is a look-up that fails', async () => {
  const none = Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' });
  const got = await lookedUp(null, []);
  expect(got).toEqual([none, '', 0]);
  expect(got[0]).toMatchObject({ code: 'ENOTFOUND' });
  const failed = new Error('getaddrinfo EAI_AGAIN core');
  expect(await lookedUp(failed)).toEqual([failed, '', 0]);
  expect(await lookedUp(null, [{ address: 'fe80::1', family: 6 }])).toEqual([
    new ForbiddenAddressError('the name resolves to a link-local or metadata address'),
    ...['', 0],
  ]);
});

test.each([
  ['ftp://core', 'bad-url', 'the scheme of the hook URL is neither http nor https'],
  ['core:8080', 'bad-url', 'the scheme of the hook URL is neither http nor https'],
  ['http://', 'bad-url', 'the hook URL is not a URL'],
  ['http://u:s3cret@other:81/s3cret', 'forbidden', 'http://other:81 is not an allowed origin'],
  ['http://[fe80::1]/s3cret', 'forbidden', 'fe80::1 is a link-local or metadata address'],
  ['http://metadata.goog../s3cret', 'forbidden', 'metadata.goog is a link-local or metadata address'],
])('%s is refused as %s: %s', (url, code, reason) => {
  const allowedOrigins = ['http://core', 'http://[fe80::1]', 'http://metadata.goog..'];
  expect(createDestinations({ ...rules, allowedOrigins }).find(url)).toEqual({ code, reason });
});
