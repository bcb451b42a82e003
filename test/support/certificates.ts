import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, as PEM texts and as files. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A private certificate authority. */
export interface Authority extends Pair {
  /** Issues a certificate for a name or an address, for servers and clients. */
  issue(san: `DNS:${string}` | `IP:${string}`): Pair;
  remove(): void;
}

export const createAuthority = (): Authority => {
  const dir = mkdtempSync(join(tmpdir(), 'certificates-'));
  let count = 0;
  const make = (...args: string[]): Pair => {
    count += 1;
    const certFile = join(dir, `${count}.crt`);
    const keyFile = join(dir, `${count}.key`);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
    execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, '-out', certFile, ...args], { stdio: 'pipe' });
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  };
  const own = make('-subj', '/CN=authority');
  const signed = ['-CA', own.certFile, '-CAkey', own.keyFile, '-addext', 'basicConstraints=critical,CA:FALSE'];
  return {
    ...own,
    issue: (san) => make('-subj', '/CN=leaf', ...signed, '-addext', `subjectAltName=${san}`),
    remove: () => rmSync(dir, { recursive: true }),
  };
};
