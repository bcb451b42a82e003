import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/**
 * Whether a PEM text holds certificates, each of which can be read. Node passes over one that it cannot read and over all that
 * follow it: then no endpoint would be trusted by them, and hooks would be parked for it.
 */
export const areCertificates = (text: string): boolean => {
  const each = text.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----.*?(?=-----BEGIN |$)/gs);
  return each?.every(isCertificate) === true;
};

const isCertificate = (text: string): boolean => isUsed(() => new X509Certificate(text));

/** Whether Node can show this certificate with this key, or there is neither. */
export const belongTogether = ({
  cert,
  key,
}: Readonly<Partial<Record<'cert' | 'key', string | undefined>>>): boolean =>
  cert === undefined || key === undefined ? cert === key : isUsed(() => createSecureContext({ cert, key }));

const isUsed = (use: () => unknown): boolean => {
  try {
    use();
    return true;
  } catch {
    return false;
  }
};
