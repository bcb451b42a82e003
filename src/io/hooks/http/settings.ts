import type { DestinationRules } from './destination.ts';

/** How connections are opened. */
export interface ConnectionSettings extends Pick<DestinationRules, 'allowLinkLocal'> {
  /** The time-out of the connection, and after it of the answer's header, in ms. */
  readonly headerTimeout: number;
  /** PEM texts. The authorities in `ca` are trusted in addition to those of Node. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export interface HttpSettings extends DestinationRules, ConnectionSettings {
  /** The time-out of the whole request, redirects included, in ms. */
  readonly timeout: number;
}
