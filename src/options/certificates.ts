import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/**
 * Whether a PEM text holds certificates, and each part of it can be read. Node passes over what it cannot read, or does not find at
 * the beginning of a line, and over all that follows it: then no endpoint would be trusted by that, and hooks would be parked.
 */
export const areCertificates = (text: string): boolean => {
  const [, ...parts] = text.replace(/^\uFEFF/, '').split(/^-----BEGIN /m);
  const isWhole = text.split('-----BEGIN ').length === parts.length + 1;
  return isWhole && parts.some(isCertificate) && parts.every(isReadable);
};

/** @param part without the word that begins it. */
const isCertificate = (part: string): boolean => /^[A-Z0-9 ]*CERTIFICATE-----\s/.test(part);

const isReadable = (part: string): boolean => {
  const pem = `-----BEGIN ${part}`;
  return isUsed(() => (isCertificate(part) ? new X509Certificate(pem) : createPrivateKey(pem)));
};

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
