import { BlockList, isIP } from 'node:net';
import { embeddedIn, groupsOf } from './ipv6.ts';

/**
 * Addresses that no hook is sent to without `allowLinkLocal`: link-local addresses, other addresses of the metadata services
 * of clouds, and addresses that no endpoint can have.
 */
const forbidden = new BlockList();
const nets: readonly (readonly [net: string, bits: number])[] = [
  ['0.0.0.0', 8], // "this host": on Linux it connects to loopback, which rules for 127.0.0.1 do not cover
  // Link-local: AWS, Azure, DigitalOcean, GCP, Hetzner, IBM, OpenStack, Oracle, Vultr, …; of AWS also .170.2 and .170.23
  // (containers), of Scaleway .42.42, of Tencent .0.23.
  ['169.254.0.0', 16],
  ['100.100.100.200', 32], // Alibaba Cloud
  ['100.96.0.96', 32], // Volcano Engine
  ['100.80.80.80', 32], // UCloud
  ['168.63.129.16', 32], // Azure's host agent
  ['192.0.0.192', 32], // Oracle Cloud, the older one
  ['224.0.0.0', 4], // multicast
  ['255.255.255.255', 32], // broadcast
  ['::', 128],
  ['fe80::', 10], // link-local; OpenStack's metadata at ::a9fe:a9fe
  ['ff00::', 8], // multicast
  ['fd00:ec2::', 32], // AWS's own services: metadata at ::254, credentials of pods at ::23
  ['fd20:ce::', 48], // GCP: metadata at ::254
  ['fd00:c1::a9fe:a9fe', 128], // Oracle Cloud
  ['fd00:42::42', 128], // Scaleway
  ['fd00:a9fe:a9fe::1', 128], // Linode
  ['fd00:100::100:200', 128], // Alibaba Cloud
];
for (const [net, bits] of nets) forbidden.addSubnet(net, bits, isIP(net) === 6 ? 'ipv6' : 'ipv4');

/**
 * Names of metadata services. Their addresses are forbidden too, but with a proxy this host never resolves the names.
 */
const names: ReadonlySet<string> = new Set([
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
  'metadata.azure.internal',
  'metadata.azure.com',
  'metadata.tencentyun.com',
  'metadata.oraclecloud.com',
  'metadata.digitalocean.com',
  'api.metadata.cloud.ibm.com',
  'api.service.softlayer.com', // of IBM's older machines, with their metadata and the rest of its API: no endpoint of hooks
  'metadata.platformequinix.com',
  'metadata.packet.net',
  'metadata.exoscale.com',
]);

/** The names of the metadata service in one region of AWS. */
const regionalName = /^instance-data\.[a-z0-9-]+\.compute\.internal$/;
/**
 * Names without a domain that networks of clouds resolve to their metadata service. An endpoint may have such a name too, so only a proxy is not
 * asked for them: what this host resolves itself is checked by its address.
 */
const bareNames: ReadonlySet<string> = new Set([
  'metadata', // GCP, by its search domain
  'data-server', // CloudStack
  'rancher-metadata', // Rancher 1
]);

export const isForbiddenName = (name: string): boolean => {
  const plain = plainOf(name);
  return names.has(plain) || regionalName.test(plain);
};

/** Whether a proxy must not be asked to connect to the name. */
export const isForbiddenByProxy = (name: string): boolean => bareNames.has(plainOf(name));

const plainOf = (name: string): string => name.toLowerCase().replace(/\.+$/, '');

/** Whether an address, or an IPv4 address embedded in it, is forbidden. */
export const isForbiddenAddress = (address: string): boolean => {
  const [bare = ''] = address.split('%');
  if (isIP(bare) !== 6) return forbidden.check(bare, 'ipv4');
  return forbidden.check(bare, 'ipv6') || embeddedIn(groupsOf(bare)).some((inner) => forbidden.check(inner, 'ipv4'));
};
