import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

/**
 * A failure of this host that says nothing about the endpoint: it cannot open connections, cannot resolve names, or was held up. It must not
 * open the endpoint's circuit breaker, because all hosts share that.
 */
export interface HostError {
  /** Such as `EMFILE`. */
  readonly code: string;
  /** What to do. */
  readonly advice: string;
}

const noDescriptors =
  'too many open files: raise the limit of this process (ulimit -n), or find the code that opens them';
const noMemory = 'this host is short of memory for sockets';
const noPort = 'no local address or port is free: widen ip_local_port_range, or find the process that holds the ports';
const isDenied = 'this host does not let the process connect: check its firewall and network policies';
const noNetwork = 'this host has no route to the endpoint: check its network and routes';
const noResolver = 'the DNS resolver of this host does not answer: check /etc/resolv.conf and the resolver';

/** What this process or this system lacks whatever the address. It may have kept one address of a name from being tried. */
const systemAdvice: ReadonlyMap<string, string> = new Map([
  ['EMFILE', noDescriptors],
  ['ENFILE', 'too many open files on this host: raise fs.file-max, or find the process that opens them'],
  ['ENOMEM', noMemory],
  ['ENOBUFS', noMemory],
]);
/**
 * What this host lacks for one address, perhaps for one address family only: routes, rules and free ports depend on where a connection goes. If
 * IPv6 is denied or has no route, the IPv4 address of the same name may refuse the connection, or not answer. So these count only if all
 * addresses fail with one of them.
 *
 * `EHOSTUNREACH` is not in the list: a route may cause it, but so does a machine that is off. `EINVAL` is that of a route that drops all
 * (`blackhole`).
 *
 * A router may also answer `ENETUNREACH`, and a resolver fails (`EAI_AGAIN`) for a name whose own servers fail: Node's errors do not tell
 * these from faults of this host. They count as its own, because that costs less if it is wrong: this host asks again every 30 s until the
 * change is too old. The other way round one host without a route would open the circuit breaker for all.
 */
const addressAdvice: ReadonlyMap<string, string> = new Map([
  ['EACCES', isDenied],
  ['EPERM', isDenied],
  ['EADDRNOTAVAIL', noPort],
  ['EADDRINUSE', noPort],
  ['EAGAIN', noPort],
  ['ENETUNREACH', noNetwork],
  ['ENETDOWN', noNetwork],
  ['ENONET', noNetwork],
  ['EINVAL', noNetwork],
  ['EAFNOSUPPORT', 'this host does not speak this version of IP'],
]);
/** With these codes the resolver did answer: the name does not exist, or is invalid. */
const unknownNameCodes: ReadonlySet<string> = new Set([
  'ENOTFOUND',
  'ENODATA',
  'ENONAME',
  'EBADNAME',
  'EAI_NONAME',
  'EAI_NODATA',
  'EAI_ADDRFAMILY',
  // For names that are too long or no valid IDNA names, without asking a resolver.
  'EINVAL',
  'ENAMETOOLONG',
  'EAI_OVERFLOW',
]);
/** Codes that only lookups have, whatever their `syscall`. */
const resolverCodes =
  /^(EAI_\w+|ESERVFAIL|EREFUSED|ETIMEOUT|EFORMERR|ENOTIMP|EBADRESP|EDESTRUCTION|ECANCELLED|ELOADIPHLPAPI)$/;

/** @returns undefined if the endpoint may have caused the error. */
export const hostErrorOf = (error: unknown): HostError | undefined => {
  const faults = partsOf(error).map(oneOf);
  const ofSystem = faults.find((fault) => fault !== undefined && systemAdvice.has(fault.code));
  return ofSystem ?? (faults.every((fault) => fault !== undefined) ? faults[0] : undefined);
};

/** The lookup of a name did not end in time. */
export const slowResolver: HostError = { code: 'DNS-TIMEOUT', advice: noResolver };

/** This process was held up for long, so a connection could not be opened, or an answer not be read, in time. */
export const stalled: HostError = {
  code: 'STALLED',
  advice:
    'this process did not run while it waited for an answer: check the load of this host, and code that blocks the event loop',
};

/**
 * Whether the error is an answer from outside: every address refused, or the certificate is wrong. It had arrived, so it stands although this process
 * was held up. Time-outs and connections that ended do not: the other side may have waited for this process.
 */
export const isAnswer = (error: unknown): boolean =>
  partsOf(error).every(
    ({ code = '', syscall }) => (code === 'ECONNREFUSED' && syscall === 'connect') || certificateFailure.test(code),
  );

/** Error codes of X.509 certificates, by OpenSSL and by Node's check of the name. */
export const certificateFailure =
  /^(ERR_TLS_CERT_|CERT_|CRL_|UNABLE_TO_|ERROR_IN_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_)/;

const oneOf = (error: NodeJS.ErrnoException): HostError | undefined => {
  const { code = '', syscall = '' } = error;
  const isLookup = /^(getaddrinfo|query)/.test(syscall) || resolverCodes.test(code);
  if (isLookup && unknownNameCodes.has(code)) {
    // The system's lookup returns the same code if it cannot open the files and sockets that it needs.
    const missing = missingDescriptors();
    return missing === undefined ? undefined : faultOf(missing, systemAdvice.get(missing));
  }
  return faultOf(code, systemAdvice.get(code) ?? addressAdvice.get(code) ?? (isLookup ? noResolver : undefined));
};

const faultOf = (code: string, advice: string | undefined): HostError | undefined =>
  advice === undefined ? undefined : { code, advice };

/** The errors of all addresses of a name. */
const partsOf = (error: unknown): readonly NodeJS.ErrnoException[] =>
  error instanceof AggregateError && error.errors.length > 0
    ? error.errors.flatMap(partsOf)
    : [error as NodeJS.ErrnoException];

const missingDescriptors = (): string | undefined => {
  try {
    closeSync(openSync(devNull, 'r'));
    return undefined;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return ['EMFILE', 'ENFILE', 'ENOMEM'].includes(code) ? code : undefined;
  }
};
