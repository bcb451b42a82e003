import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

/**
 * A failure of this host that says nothing of the endpoint: it can open no connection, or can't ask where a name leads.
 * It must not count against the endpoint, for other hosts share what is known of it.
 */
export interface HostError {
  /** Such as `EMFILE`. */
  readonly code: string;
  /** What to do. */
  readonly advice: string;
}

const noDescriptors = 'too many open files: raise the limit of this process (ulimit -n), or find what opens them';
const noMemory = 'this host is short of memory for sockets';
const isDenied = 'this host does not let the process connect: check its firewall and network policies';
const noNetwork = 'this host has no route there: check its network and routes';
const noResolver = 'the DNS resolver of this host does not answer: check /etc/resolv.conf and the resolver';

/** What only the own system says. One of several addresses that failed like this was never tried. */
const ofTheSystem: ReadonlyMap<string, string> = new Map([
  ['EMFILE', noDescriptors],
  ['ENFILE', 'too many open files on this host: raise fs.file-max, or find what opens them'],
  ['ENOMEM', noMemory],
  ['ENOBUFS', noMemory],
  ['EADDRNOTAVAIL', 'no local address or port is free: widen ip_local_port_range, or find what holds the ports'],
  ['EADDRINUSE', 'no local port is free: widen ip_local_port_range, or find what holds the ports'],
  ['EAGAIN', 'no local port is free: widen ip_local_port_range, or find what holds the ports'],
  ['EACCES', isDenied],
  ['EPERM', isDenied],
]);
/**
 * What the own network says, of one kind of address perhaps: a host without IPv6 can't reach the IPv6 address of a name, and
 * its IPv4 address may still refuse. `EHOSTUNREACH` is not among these, for that is what a machine that is off looks like.
 */
const ofTheNetwork: ReadonlyMap<string, string> = new Map([
  ['ENETUNREACH', noNetwork],
  ['ENETDOWN', noNetwork],
  ['ENONET', noNetwork],
  ['EAFNOSUPPORT', 'this host does not speak this version of IP'],
]);
/** A resolver that answers so has answered: there is no such name, or no name can be like this one. */
const saysNoSuchName: ReadonlySet<string> = new Set([
  'ENOTFOUND',
  'ENODATA',
  'ENONAME',
  'EBADNAME',
  'EAI_NONAME',
  'EAI_NODATA',
  'EAI_ADDRFAMILY',
  // Of a name that is too long, or that no IDNA name is, before anybody is asked.
  'EINVAL',
  'ENAMETOOLONG',
  'EAI_OVERFLOW',
]);
/** Codes of a look-up that need no `syscall` to be known as such. */
const ofResolvers =
  /^(EAI_\w+|ESERVFAIL|EREFUSED|ETIMEOUT|EFORMERR|ENOTIMP|EBADRESP|EDESTRUCTION|ECANCELLED|ELOADIPHLPAPI)$/;

/** @returns undefined where it may be the endpoint's fault. */
export const hostErrorOf = (error: unknown): HostError | undefined => {
  const faults = partsOf(error).map(oneOf);
  const ofSystem = faults.find((fault) => fault !== undefined && !ofTheNetwork.has(fault.code));
  return ofSystem ?? (faults.every((fault) => fault !== undefined) ? faults[0] : undefined);
};

/** A name whose look-up did not end in time. */
export const slowResolver: HostError = { code: 'DNS-TIMEOUT', advice: noResolver };

const oneOf = (error: NodeJS.ErrnoException): HostError | undefined => {
  const { code = '', syscall = '' } = error;
  const isLookUp = /^(getaddrinfo|query)/.test(syscall) || ofResolvers.test(code);
  if (isLookUp && saysNoSuchName.has(code)) {
    // Without a descriptor for the files and sockets that it needs, the system's look-up says just the same.
    const lack = lackOfDescriptors();
    return lack === undefined ? undefined : faultOf(lack, ofTheSystem.get(lack));
  }
  return faultOf(code, ofTheSystem.get(code) ?? ofTheNetwork.get(code) ?? (isLookUp ? noResolver : undefined));
};

const faultOf = (code: string, advice: string | undefined): HostError | undefined =>
  advice === undefined ? undefined : { code, advice };

/** Of a name with several addresses, an error for each that was tried. */
const partsOf = (error: unknown): readonly NodeJS.ErrnoException[] =>
  error instanceof AggregateError && error.errors.length > 0
    ? error.errors.flatMap(partsOf)
    : [error as NodeJS.ErrnoException];

const lackOfDescriptors = (): string | undefined => {
  try {
    closeSync(openSync(devNull, 'r'));
    return undefined;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return ['EMFILE', 'ENFILE', 'ENOMEM'].includes(code) ? code : undefined;
  }
};
