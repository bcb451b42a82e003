import { createRequire } from 'node:module';
import { OptionsError } from '../errors.ts';

/**
 * Refuses an option that needs a package which is not installed. The optional packages are peer dependencies.
 * @param what the function that got the option, for the message.
 * @throws OptionsError that names the package and says how to install it.
 */
export const needPackage = (what: string, path: string, name: string): void => {
  try {
    createRequire(import.meta.url).resolve(name);
  } catch {
    throw new OptionsError(what, [{ path, message: `needs the package ${name}: npm install ${name}` }]);
  }
};
