import { execFileSync } from 'node:child_process';

/** Builds the inspector's page into dist/ before the tests, so that they test the current sources. */
export const setup = (): void => {
  const script = new URL('../../scripts/build-page.mjs', import.meta.url).pathname;
  execFileSync(process.execPath, [script], { stdio: 'inherit' });
};
