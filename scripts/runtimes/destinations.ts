// Runs in each runtime: whether a hook goes to the address that its name resolves to, and is refused if that is link-local,
// by http and https. Prints the codes of the replies.
import type { LookupAddress } from 'node:dns';
import { createHttpClient } from '../../src/io/hooks/http/client.ts';

const port = process.argv[2];
const settings = { headerTimeout: 5_000, timeout: 5_000, tls: {}, allowLinkLocal: false, rewriteOrigins: {} };

/** Posts to a name that resolves to this address. */
const postTo = async (scheme: string, address: string) => {
  const resolve = (_: string, __: object, callback: (error: null, addresses: LookupAddress[]) => void) =>
    callback(null, [{ address, family: 4 }]);
  const client = createHttpClient({ ...settings, allowedOrigins: undefined }, Date, resolve);
  const reply = await client.post(`${scheme}://endpoint.example:${port}/hook`, '{}');
  await client.close();
  return 'code' in reply ? reply.code : reply.kind;
};

console.log(
  JSON.stringify([
    await postTo('http', '127.0.0.1'),
    await postTo('http', '169.254.169.254'),
    await postTo('https', '169.254.169.254'),
  ]),
);
