import { hostname } from 'node:os';
import type { Keys } from './keys.ts';

/** What a caller says about an act: the rest of its entry in the audit stream comes from the script. */
export interface AuditNote {
  /** The pass that acts, such as `sweep/x1Yz`; `command` for an act that a person has asked for. */
  readonly pass: string;
  /** Reason code. */
  readonly why?: string;
  /** Job type. */
  readonly type?: string;
  /** Where the script keeps what an undo needs and no entry may hold. */
  readonly kept?: string;
}

/** The keys and the argument that `lua/includes/audit.lua` expects before those of the script. */
export type AuditHead = readonly [keys: readonly (string | Buffer)[], args: readonly string[]];

/** Makes scripts record their acts. */
export interface Recorder {
  headOf(note: AuditNote): AuditHead;
  /** An act was done, and could not be recorded. */
  refused(reason: string): void;
}

export interface RecorderOptions {
  readonly keys: Pick<Keys, 'audit'>;
  /** How many entries are kept, about; 0 for none. */
  readonly maxEntries: number;
  /** The person on whose behalf this process acts. */
  readonly operator?: string | undefined;
  /** Called with the reason, once until it changes, if acts are done without an entry. */
  readonly onRefused: (reason: string) => void;
}

/** @returns undefined if nothing is to be recorded. */
export const createRecorder = ({ keys, maxEntries, operator, onRefused }: RecorderOptions): Recorder | undefined => {
  if (maxEntries === 0) return undefined;
  const who = word(`${hostname()}:${process.pid}${operator === undefined ? '' : ` ${operator}`}`);
  let known: string | undefined;
  return {
    headOf: ({ pass, why = '', type = '', kept }) => [
      [keys.audit, ...(kept === undefined ? [] : [kept])],
      [`audit:${[maxEntries, who, pass, word(why), word(type), kept === undefined ? '' : 'keeps'].join('\t')}`],
    ],
    refused(reason) {
      if (known !== reason) onRefused(reason);
      known = reason;
    },
  };
};

/** A text without the tabs that separate the words of a context. */
const word = (text: string): string => text.replace(/\s/g, ' ').slice(0, 200);
