/** The eight groups of a valid IPv6 address. */
export const groupsOf = (address: string): readonly number[] => {
  // A dotted quad at the end is two groups.
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = '', tail] = hex.split('::');
  const parse = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [parse(head), parse(tail ?? '')];
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
};

/**
 * The IPv4 addresses, dotted, that translators and tunnels may deliver an IPv6 address to: IPv4-mapped, translated and
 * compatible addresses, NAT64 (RFC 6052 and 8215), 6to4, Teredo, ISATAP.
 */
export const embeddedIn = (groups: readonly number[]): string[] => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const last = quad(g, h);
  const found: string[] = [];
  /** Zeros are not an address where the same bits may mean something else. */
  const unlessZero = (address: string) => (address.startsWith('0.') ? [] : [address]);
  if ((a | b | c | d) === 0) {
    const isMapped = e === 0 && f === 0xffff;
    const isTranslated = e === 0xffff && f === 0;
    if (isMapped || isTranslated) found.push(last);
    // `::1` has the form of a compatible address, but is loopback.
    if (e === 0 && f === 0) found.push(...unlessZero(last));
  }
  if (a === 0x64 && b === 0xff9b) {
    if (c === 0) found.push(last);
    if (c === 1) {
      // The operator's prefix has 48, 56, 64 or 96 bits. The byte after bit 64 is skipped.
      const bytes = [d >> 8, d & 255, e & 255, f >> 8, f & 255, g >> 8];
      for (const from of [0, 1, 2]) found.push(...unlessZero(bytes.slice(from, from + 4).join('.')));
      found.push(last);
    }
  }
  if (a === 0x2002) found.push(quad(b, c));
  if (a === 0x2001 && b === 0) found.push(...unlessZero(quad(c, d)), quad(g ^ 0xffff, h ^ 0xffff));
  if ((e & 0xfdff) === 0 && f === 0x5efe) found.push(last);
  return found;
};

const quad = (high: number, low: number): string => [high >> 8, high & 255, low >> 8, low & 255].join('.');
