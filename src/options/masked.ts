/**
 * A text of an option without the parts of a URL that may hold a password or a token: user info, query and fragment. Texts are often no
 * good URLs, such as one that is refused, so more may be hidden than these parts, but no less: all before the last `@`, if there is a
 * colon before it, and all after the first `?` or `#`. It may be masked again.
 */
export const masked = (text: string): string =>
  text
    .replace(/^(?:(.*?\/\/)|(?=[^@]*:)).*@/s, (_, start: string | undefined) => `${start ?? ''}***@`)
    .replace(/(:[^?#]*[?#]).+/s, '$1***');
