import { codeOr } from '../errors.ts';
import { messageOf } from '../machines/messageOf.ts';
import type { ReaperSettings } from '../options.ts';
import type { Http } from './http.ts';
import type { Follow, Inspectable, InspectSettings, OpenInspector } from './inspection.ts';
import type { Reporting } from './reporting.ts';

/** The inspector of one reaper: not opened, being opened, or open. */
export interface Inspection {
  /**
   * Opens it, if the option `inspect` is set: below a path of the HTTP server, if there is one and the inspector has no address
   * of its own. Later calls do nothing. An error is reported, and stops nothing.
   */
  open(inspected: () => Inspectable, http: Pick<Http, 'opened'>): void;
  /** Resolves when it listens, or could not be opened; undefined if it was not opened. */
  settled(): Promise<void> | undefined;
  /** @throws ReaperError if it could not be opened. */
  url(): Promise<string | undefined>;
  close(): Promise<void> | undefined;
  readonly isFollowed: Follow;
  follow(choose: Follow): void;
}

export const createInspection = (settings: ReaperSettings['inspect'], fault: Reporting['fault']): Inspection => {
  // Until an inspector that is on has been opened, it may ask for any job.
  let isFollowed: Follow = () => settings !== false;
  let inspector: Promise<OpenInspector> | undefined;

  const load = async (inspected: Inspectable, settings: InspectSettings, http: Pick<Http, 'opened'>) => {
    const hasOwnAddress = settings.host !== undefined || settings.port !== undefined;
    // If this fails, the HTTP server reports it.
    const shared = hasOwnAddress ? undefined : await http.opened();
    try {
      // Loaded only where it is used.
      const { openInspector } = await import('../../visualize/inspector.ts');
      return await openInspector({ ...inspected, settings }, shared);
    } catch (error) {
      fault('the inspector', messageOf(error), { code: codeOr(error, 'internal'), cause: error });
      throw error;
    }
  };

  return {
    open(inspected, http) {
      if (settings === false || inspector !== undefined) return;
      inspector = load(inspected(), settings, http);
      // The error was reported. A caller that never asks for the URL must not end the process.
      inspector.catch(() => undefined);
    },
    settled: () =>
      inspector?.then(
        () => undefined,
        () => undefined,
      ),
    url: async () => (await inspector)?.url,
    close: () => inspector?.then(({ close }) => close()),
    isFollowed: (id, judgement) => isFollowed(id, judgement),
    follow(choose) {
      isFollowed = choose;
    },
  };
};
