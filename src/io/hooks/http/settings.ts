import type { DestinationRules } from './destination.ts';

/** How connections are opened. */
export interface ConnectionSettings {
  /** The time-out of the connection, and after it of the answer's header, in ms. */
  readonly headerTimeout: number;
  /** Whether hooks may be sent to link-local and metadata addresses. */
  readonly allowLinkLocal: boolean;
  /** PEM texts. The authorities in `ca` are trusted in addition to those of Node. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export interface HttpSettings extends DestinationRules, ConnectionSettings {
  /** The time-out of the whole request, redirects included, in ms. */
  readonly timeout: number;
}
