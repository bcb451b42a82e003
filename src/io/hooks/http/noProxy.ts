import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { groupsOf } from './ipv6.ts';

/** Where a request goes. */
interface Target {
  /** In lower case; an address without brackets, and an IPv4-mapped address as IPv4. */
  readonly host: string;
  readonly port: string;
}

type Rule = (target: Target) => boolean;

/**
 * Which URLs are not requested through a proxy, by the rules of Go (`golang.org/x/net/http/httpproxy`), because Harbor's jobservice beside reads the
 * same variables. Entries are separated by commas: an address or a domain, each with or without a port, a network (CIDR), or `*` for all. A domain
 * stands for itself and its subdomains; one with a dot or `*.` before it for its subdomains. `localhost` and loopback addresses never need a proxy.
 *
 * @param text the value of `NO_PROXY`
 */
export const createNoProxy = (text: string): ((url: URL) => boolean) => {
  const entries = text
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '');
  const rules = [isLoopback, ...(entries.includes('*') ? [() => true] : entries.map(ruleOf))];
  return (url) => {
    const host = plain(url.hostname.replace(/^\[|\]$/g, ''));
    const target = { host, port: url.port || (url.protocol === 'https:' ? '443' : '80') };
    return rules.some((rule) => rule(target));
  };
};

const isLoopback: Rule = ({ host }) =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));

const ruleOf = (entry: string): Rule => {
  const [, net = '', bits = ''] = /^(.*)\/(\d+)$/.exec(entry) ?? [];
  if (isAddress(net) && Number(bits) <= (isIPv4(net) ? 32 : 128)) return netRule(net, Number(bits));
  // Brackets belong to a port. Go takes other entries with colons or brackets for names, so only addresses match.
  const [, bracketed, unbracketed, port = ''] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(entry) ?? [];
  const host = bracketed ?? unbracketed ?? entry;
  if (host === '') return () => false;
  const hasHost = isAddress(host) ? netRule(host, isIPv4(host) ? 32 : 128) : domainRule(host);
  return (target) => (port === '' || port === target.port) && hasHost(target);
};

/** A zone makes an address one of this host only: it is no rule. */
const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes('%');

const netRule = (net: string, bits: number): Rule => {
  const bare = bits >= 96 ? plain(net) : net;
  // `BlockList` finds an IPv4 address in a network of IPv6 that holds all mapped addresses; Go does not.
  const isIn = isIPv4(bare) ? isIPv4 : isIPv6;
  const list = new BlockList();
  if (isIPv4(bare)) list.addSubnet(bare, isIPv4(net) ? bits : bits - 96, 'ipv4');
  else list.addSubnet(bare, bits, 'ipv6');
  return ({ host }) => isIn(host) && list.check(host, isIPv4(host) ? 'ipv4' : 'ipv6');
};

const domainRule = (entry: string): Rule => {
  const name = entry.replace(/^\*(?=\.)/, '');
  const domain = name.replace(/^\./, '');
  const ascii = /^[ -~]*$/.test(domain) ? domain : domainToASCII(domain) || domain;
  const isOfItself = domain === name;
  return ({ host }) => isIP(host) === 0 && (host.endsWith(`.${ascii}`) || (isOfItself && host === ascii));
};

/** An IPv4-mapped address as IPv4, as Go compares them. */
const plain = (host: string): string => {
  if (!isIPv6(host)) return host;
  const [a, b, c, d, e, f, g = 0, h = 0] = groupsOf(host);
  const isMapped = [a, b, c, d, e].every((group) => group === 0) && f === 0xffff;
  return isMapped ? [g >> 8, g & 255, h >> 8, h & 255].join('.') : host;
};
