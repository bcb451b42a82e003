import { execFileSync } from 'node:child_process';

/** The inspector serves its page from dist/: tests are to see what the sources say now. */
export const setup = (): void => {
  const script = new URL('../../scripts/build-page.mjs', import.meta.url).pathname;
  execFileSync(process.execPath, [script], { stdio: 'inherit' });
};
