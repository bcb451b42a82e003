import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    programs: string;
  }
}

/** The built form of a program that `buildPrograms.ts` names, given by its path in the project; plain Node runs it. */
export const builtOf = (source: string): string => `${inject('programs')}/${source.replace(/\.ts$/, '.mjs')}`;
