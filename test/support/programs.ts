import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    programs: string;
  }
}

/** The path of a built program, by the path of its source. `buildPrograms.ts` lists the programs; plain Node runs them. */
export const builtOf = (source: string): string => `${inject('programs')}/${source.replace(/\.ts$/, '.mjs')}`;
